"""The base class of all metrics: compact statistics per image, pooled once at the end."""

import dataclasses
import sys
from abc import abstractmethod
from collections.abc import Hashable, Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
from mmengine.evaluator import BaseMetric
from mmengine.logging import print_log
from torch import Tensor

from mtl3d.evaluation.functional.bootstrap import bootstrap
from mtl3d.utils.config import nearest

#: Where a sample keeps predictions; see :class:`mtl3d.structures.MultiTaskDataSample`.
FIELDS = ('pred', 'pred_regularizer', 'pred_average')


@dataclasses.dataclass(frozen=True)
class MetricSummary:
    """What one metric found out in one evaluation.

    Attributes:
        task: The task's key.
        field: Which predictions were scored.
        protocol: By which convention.
        settings: What else the values depend on, in words; empty where there is nothing.
        num_images: Images that have a prediction and at least one labelled pixel that counts.
        values: Metric -> value.
        intervals: Metric -> (low, high), a 95 % confidence interval over images; empty unless
            asked for.
    """

    task: str
    field: str
    protocol: str
    num_images: int
    values: dict[str, float]
    intervals: dict[str, tuple[float, float]] = dataclasses.field(default_factory=dict)
    settings: str = ''


class PerImageMetric(BaseMetric):
    """A metric of one task that reduces every image to a small array, and pools them at the end.

    ``process`` appends exactly one entry ``(img_id, statistics)`` per sample, with None in place of
    the statistics where the sample lacks the label or the prediction. ``compute_metrics`` drops
    duplicates by ``img_id`` (a distributed sampler pads the last batch), sorts by ``img_id`` and
    pools in that order, so the result is the same to the last digit for any number of processes,
    any batch size and any order of the images.

    A subclass sets ``default_prefix`` to its task's key and implements :meth:`image_statistics`
    and :meth:`summarize`. It should also name its metrics in :attr:`units`.

    Args:
        field: Which predictions to score: ``pred``, ``pred_regularizer`` or ``pred_average``.
        protocol: The convention of the score; the subclass says what each of its protocols is.
        bootstrap: Replicates of a bootstrap over images for confidence intervals; 0 for none.
            The intervals are in :attr:`summary`.
        collect_device: ``cpu`` or ``gpu``, see MMEngine.
        prefix: The first part of the result's key; the task's key by default. Give it where one
            evaluator holds two metrics of the same task.

    Attributes:
        summary: The last evaluation's :class:`MetricSummary`, on the main process; None before,
            and where no image had a label.
        statistics: ``img_id`` -> statistics of the last evaluation, in canonical order, on the main
            process; kept only for a bootstrap, else empty.

    Raises:
        ValueError: ``field``, ``protocol`` or ``bootstrap`` is not valid.
    """

    #: The protocols that a subclass knows, the default first.
    protocols: ClassVar[tuple[str, ...]] = ('published', 'survey', 'clean')
    #: Each metric's unit: ``%``, ``m``, ``deg``, or nothing for plain ratios and logarithms.
    units: ClassVar[Mapping[str, str]] = {}
    #: Whether :meth:`summarize` depends on the sum over images only.
    additive: ClassVar[bool] = True

    def __init__(
        self,
        *,
        field: str = 'pred',
        protocol: str = 'published',
        bootstrap: int = 0,
        collect_device: str = 'cpu',
        prefix: str | None = None,
    ) -> None:
        super().__init__(collect_device=collect_device, prefix=prefix)
        if field not in FIELDS:
            raise ValueError(f"field='{field}': {nearest(field, FIELDS)}")
        if protocol not in self.protocols:
            raise ValueError(f"protocol='{protocol}': {nearest(protocol, self.protocols)}")
        if bootstrap < 0:
            raise ValueError(f'bootstrap={bootstrap}: a number of replicates cannot be negative')
        self.field = field
        self.protocol = protocol
        self.bootstrap = bootstrap
        self.summary: MetricSummary | None = None
        self.statistics: dict[Hashable, np.ndarray] = {}

    @property
    def task(self) -> str:
        """The task's key in the samples."""
        assert self.default_prefix is not None
        return self.default_prefix

    @property
    def settings(self) -> str:
        """What else than the protocol the values depend on, in words for the table."""
        return ''

    @abstractmethod
    def image_statistics(self, pred: np.ndarray, gt: np.ndarray) -> np.ndarray:
        """Reduce one image.

        Args:
            pred: ``(c, H, W)`` prediction in the layout of :data:`mtl3d.structures.LABEL_SPECS`
                (probabilities for binary tasks).
            gt: ``(c, H, W)`` label.

        Returns:
            An array whose shape does not depend on the image's size.
        """

    @abstractmethod
    def summarize(self, stats: np.ndarray) -> dict[str, float]:
        """Compute the metrics of a set of images from their statistics ``(N, ...)``, N >= 1."""

    def sample_statistics(
        self, sample: Mapping[str, Any], pred: np.ndarray, gt: np.ndarray
    ) -> np.ndarray | None:
        """Reduce one image of which more than prediction and label matters, such as its id.

        Args:
            sample: The sample as a dict.
            pred: As in :meth:`image_statistics`.
            gt: As in :meth:`image_statistics`.

        Returns:
            The statistics, or None if the image cannot be scored.

        Raises:
            ValueError: The prediction or the label is none; the message names the image.
        """
        try:
            return self.image_statistics(pred, gt)
        except ValueError as error:
            raise ValueError(f"{self.task} of image '{sample['img_id']}': {error}") from error

    def process(self, data_batch: Any, data_samples: Sequence[Mapping[str, Any]]) -> None:
        """Append one entry per sample.

        Args:
            data_batch: Not used.
            data_samples: Samples as dicts, with ``img_id``, ``gt`` and the field to score.

        Raises:
            ValueError: A sample has no ``img_id``, its prediction and its label differ in size, or
                one of them has values that are none.
        """
        for sample in data_samples:
            if 'img_id' not in sample:
                raise ValueError(
                    f'{type(self).__name__}: a sample has no img_id, by which duplicates are told '
                    "apart. Add 'img_id' to the meta keys of PackMultiTaskInputs."
                )
            gt, pred = (sample.get(name, {}).get(self.task) for name in ('gt', self.field))
            stats = None
            if gt is not None and pred is not None:
                if pred.shape[-2:] != gt.shape[-2:]:
                    raise ValueError(
                        f"{self.task} of image '{sample['img_id']}': the prediction is "
                        f'{tuple(pred.shape[-2:])} but the label is {tuple(gt.shape[-2:])} (H, W). '
                        'Evaluate with labels at ori_shape: no resizing or padding of labels.'
                    )
                stats = self.sample_statistics(sample, to_numpy(pred), to_numpy(gt))
            self.results.append((sample['img_id'], stats))

    def evaluate(self, size: int) -> dict[str, float]:
        """Pool the statistics of all processes.

        Args:
            size: Images of the data set. MMEngine cuts the collected list to this length, which
                is right for one order of the samples only; here padding is recognised by
                ``img_id`` and nothing is cut.

        Returns:
            ``<prefix>/<metric>`` -> value, the same on all processes.
        """
        return super().evaluate(sys.maxsize)

    def compute_metrics(self, results: list) -> dict[str, float]:
        """Drop duplicates, put the images in a canonical order, and summarise.

        Args:
            results: Entries ``(img_id, statistics or None)``.

        Returns:
            Metric -> value; empty where no image could be scored.
        """
        unique = dict(results)
        scored = {key: unique[key] for key in sorted(unique, key=str) if unique[key] is not None}
        self.summary, self.statistics = None, scored if self.bootstrap else {}
        if not scored:
            print_log(f'{self.task}: no image has both a label and a prediction', 'current')
            return {}
        stats = np.stack(list(scored.values()))
        values = self.summarize(stats)
        intervals = {}
        if self.bootstrap:
            intervals = bootstrap(
                stats, self.summarize, num_replicates=self.bootstrap, additive=self.additive
            )
        num_images = int(sum(statistics.any() for statistics in scored.values()))
        self.summary = MetricSummary(
            self.task, self.field, self.protocol, num_images, values, intervals, self.settings
        )
        return values


def to_numpy(array: Tensor | np.ndarray) -> np.ndarray:
    """Bring a tensor from any device, or an array, to NumPy."""
    return array.detach().cpu().numpy() if isinstance(array, Tensor) else np.asarray(array)
