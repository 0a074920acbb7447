"""odsF, oisF and AP of boundaries."""

import logging
from collections import deque
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, Literal

import numpy as np
from mmengine.logging import print_log

from mtl3d.evaluation.edge_files import read_image_list, read_label
from mtl3d.evaluation.functional import edges
from mtl3d.evaluation.metrics.base import PerImageMetric
from mtl3d.registry import METRICS
from mtl3d.structures.label_spec import IGNORE_INDEX
from mtl3d.utils.config import nearest

#: Images per worker that may wait for their turn, so that a fast model does not fill the memory.
_QUEUE_LENGTH = 8


@METRICS.register_module()
class EdgeMetric(PerImageMetric):
    """Boundaries: ``edge/odsF``, ``oisF``, ``AP``, ``odsP``, ``odsR`` in percent, and ``odsT``.

    No MATLAB is needed. The scores pool matched pixels over the whole data set; an image
    contributes a small table of integers, so they are the same for any number of processes and
    workers. See :mod:`mtl3d.evaluation.functional.edges` and docs/evaluation.md.

    The ground truth is not the training label. On NYUD it is derived from the edge image, of which
    ``sample.gt.edge`` is a copy; on PASCAL-Context from the label map of 459 classes, a file
    ``pascal-context/trainval/<img_id>.mat`` below the data root. Pixels that a label marks as
    ignored count as "no boundary", since the published evaluation knows no ignored pixels; images
    without any other pixel are skipped.

    Args:
        dataset: ``'nyud'``, ``'pascal_context'`` or ``'synthrooms'``, which sets ``max_dist`` and
            ``ground_truth``; None for another one, then give ``max_dist``.
        protocol: ``'seism'`` for the numbers of ATRC, InvPT and their followers, ``'mti'`` for
            those of the multi-task survey (no non-maximum suppression, 99 thresholds; its
            ``max_dist`` is 0.0075 on both data sets, and that is the default then), ``'bsds'`` for
            the BSDS500 benchmark.
        max_dist: Largest distance of a match relative to the image diagonal.
        thresholds: Increasing thresholds in [0, 1) instead of the protocol's.
        matcher: ``'seism'`` for reported numbers; ``'max'`` for a fast look during training, which
            is up to a tenth of a point higher.
        seed: Of the ``'seism'`` matcher's random graphs; with the image's id it decides.
        workers: Threads that score images while the model goes on; 0 scores them in place.
        quantize: Truncate predictions to 8 bits first, as the published code does by saving PNGs.
        interpolate: Search odsF between the thresholds too, as the BSDS500 benchmark does.
        ground_truth: ``'edge_image'``, ``'label_map'`` or ``'lines'`` (thin the label only); see
            :func:`mtl3d.evaluation.functional.edges.ground_truth`.
        label_map_dir: Folder of the ``<img_id>.mat`` files for ``'label_map'``; by default
            ``pascal-context/trainval`` beside the folder of the images, and where no file is
            there, the training label is thinned instead, with a warning.
        image_list: A text file of image ids, one per line: only these are scored, and all of them
            must come. PASCAL-Context has two lists: the 5105 validation images, and the 2498 of
            them (``test_new``) that the evaluation tool of InvPT and the survey score.
        field: See :class:`PerImageMetric`.
        bootstrap: See :class:`PerImageMetric`.
        collect_device: See :class:`PerImageMetric`.
        prefix: See :class:`PerImageMetric`.

    Raises:
        ValueError: An argument is not valid.
        FileNotFoundError: ``image_list`` does not exist.
    """

    default_prefix = 'edge'
    units = {**dict.fromkeys(('odsF', 'oisF', 'AP', 'odsP', 'odsR'), '%'), 'odsT': ''}
    protocols = tuple(edges.PROTOCOLS)

    def __init__(
        self,
        *,
        dataset: str | None = None,
        protocol: str = 'seism',
        max_dist: float | None = None,
        thresholds: Sequence[float] | None = None,
        matcher: Literal['seism', 'max'] = 'seism',
        seed: int = 0,
        workers: int = 0,
        quantize: bool = True,
        interpolate: bool = False,
        ground_truth: Literal['edge_image', 'label_map', 'lines'] | None = None,
        label_map_dir: str | None = None,
        image_list: str | None = None,
        field: str = 'pred',
        bootstrap: int = 0,
        collect_device: str = 'cpu',
        prefix: str | None = None,
    ) -> None:
        super().__init__(
            field=field,
            protocol=protocol,
            bootstrap=bootstrap,
            collect_device=collect_device,
            prefix=prefix,
        )
        if dataset is not None and dataset not in edges.BENCHMARKS:
            raise ValueError(f"dataset='{dataset}': {nearest(dataset, edges.BENCHMARKS)}")
        benchmark = edges.BENCHMARKS.get(dataset) if dataset else None
        if matcher not in edges.MATCHERS:
            raise ValueError(f"matcher='{matcher}': {nearest(matcher, edges.MATCHERS)}")
        if workers < 0:
            raise ValueError(f'workers={workers}: a number of threads cannot be negative')
        if ground_truth is None:
            ground_truth = benchmark.ground_truth if benchmark else 'lines'
        if ground_truth not in edges.GROUND_TRUTHS:
            raise ValueError(
                f"ground_truth='{ground_truth}': {nearest(ground_truth, edges.GROUND_TRUTHS)}"
            )
        if thresholds is not None:
            thresholds = tuple(edges.check_thresholds(thresholds).tolist())
        self.thresholds = thresholds or edges.PROTOCOLS[protocol].thresholds
        self.max_dist = edges.choose_max_dist(max_dist, dataset=dataset, protocol=protocol)
        self.matcher = matcher
        self.seed = seed
        self.workers = workers
        self.quantize = quantize
        self.interpolate = interpolate
        self.ground_truth = ground_truth
        self.label_map_dir = label_map_dir
        self.image_ids = None if image_list is None else read_image_list(image_list)
        self._warned = False
        self._pool: ThreadPoolExecutor | None = None
        self._pending: deque[Future] = deque()

    @property
    def settings(self) -> str:
        """The choices that a reader must know to compare the scores."""
        source = self.ground_truth + (' (lines where there was none)' if self._warned else '')
        return f'max_dist {self.max_dist:g}, ground truth {source}, matcher {self.matcher}'

    def image_statistics(self, pred: np.ndarray, gt: np.ndarray, *, seed: int = 0) -> np.ndarray:
        """Count the matches of one image.

        Args:
            pred: ``(1, H, W)`` boundary probabilities.
            gt: ``(1, H, W)`` bool ground truth, thinned.
            seed: Of the image's random graphs.

        Returns:
            ``(T + 1, 4)`` int64, see
            :func:`mtl3d.evaluation.functional.edges.image_statistics`.
        """
        counts = edges.evaluate_image(
            pred[0],
            gt[0],
            max_dist=self.max_dist,
            protocol=self.protocol,
            matcher=self.matcher,
            seed=seed,
            thresholds=self.thresholds,
            quantize=self.quantize,
        )
        return edges.image_statistics(counts)

    def summarize(self, stats: np.ndarray) -> dict[str, float]:
        """Compute the scores from counts; see :meth:`image_statistics`."""
        scores = edges.summarize_statistics(
            stats, thresholds=self.thresholds, interpolate=self.interpolate
        )
        return {name: v if name == 'odsT' else 100 * v for name, v in scores.items()}

    def sample_statistics(self, sample: Mapping[str, Any], pred: np.ndarray, gt: np.ndarray) -> Any:
        """Score one image, or let a worker do it and return its promise.

        Args:
            sample: With ``img_id``, and ``img_path`` where label maps are looked for beside it.
            pred: ``(1, H, W)`` boundary probabilities.
            gt: ``(1, H, W)`` label, 0 / 1 / 255.

        Returns:
            The statistics, a future of them, or None for an image that is not on the list or not
            annotated.
        """
        img_id = str(sample['img_id'])
        if self.image_ids is not None and img_id not in self.image_ids:
            return None
        if np.all(gt == IGNORE_INDEX):
            return None
        label_map = self._find_label_map(sample) if self.ground_truth == 'label_map' else None
        if self.workers == 0:
            return self._score(img_id, pred, gt, label_map)
        if self._pool is None:
            self._pool = ThreadPoolExecutor(self.workers, thread_name_prefix='edge_metric')
        if len(self._pending) >= _QUEUE_LENGTH * self.workers:
            self._pending.popleft().result()
        self._pending.append(self._pool.submit(self._score, img_id, pred, gt, label_map))
        return self._pending[-1]

    def _score(
        self, img_id: str, pred: np.ndarray, gt: np.ndarray, label_map: Path | None
    ) -> np.ndarray:
        try:
            if label_map is None:
                kind = 'lines' if self.ground_truth == 'label_map' else self.ground_truth
                boundary = edges.ground_truth(gt[0] == 1, kind)
            else:
                boundary = edges.ground_truth(read_label(label_map), 'label_map')
            seed = edges.image_seed(img_id, self.seed)
            return self.image_statistics(pred, boundary[None], seed=seed)
        except ValueError as error:
            raise ValueError(f"edge of image '{img_id}': {error}") from error

    def _find_label_map(self, sample: Mapping[str, Any]) -> Path | None:
        """Find the file from which PASCAL-Context's ground truth is derived.

        Raises:
            FileNotFoundError: It is not in ``label_map_dir``.
        """
        name = f'{sample["img_id"]}.mat'
        if self.label_map_dir is not None:
            path = Path(self.label_map_dir, name)
            if not path.is_file():
                raise FileNotFoundError(
                    f"edge of image '{sample['img_id']}': no label map {path} (label_map_dir)"
                )
            return path
        root = Path(sample.get('img_path', '')).parent.parent
        path = root / 'pascal-context' / 'trainval' / name
        if path.is_file():
            return path
        if not self._warned:
            self._warned = True
            print_log(
                f"edge of image '{sample['img_id']}': no label map {path}, so the training label "
                'is thinned instead. Give label_map_dir for the published ground truth, or '
                "ground_truth='lines' to silence this.",
                'current',
                logging.WARNING,
            )
        return None

    def evaluate(self, size: int) -> dict[str, float]:
        """Wait for the workers, then pool; see :meth:`PerImageMetric.evaluate`."""
        self.results[:] = [
            (img_id, stats.result() if isinstance(stats, Future) else stats)
            for img_id, stats in self.results
        ]
        self._pending.clear()
        if self._pool is not None:
            self._pool.shutdown()
            self._pool = None
        return super().evaluate(size)

    def compute_metrics(self, results: list) -> dict[str, float]:
        """Check that the images of the list came, and pool; see :class:`PerImageMetric`.

        Raises:
            ValueError: Images of ``image_list`` are missing.
        """
        if self.image_ids is not None:
            missing = sorted(self.image_ids - {str(img_id) for img_id, _ in results})
            if missing:
                raise ValueError(
                    f'edge: {len(missing)} of the {len(self.image_ids)} images of image_list were '
                    f"not evaluated, for example '{missing[0]}'"
                )
        return super().compute_metrics(results)
