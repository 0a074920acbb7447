"""The multi-task gain as a metric of metrics."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from mtl3d.evaluation.functional.bootstrap import draw_weights, percentile_interval, replicate
from mtl3d.evaluation.functional.delta_m import LOWER_IS_BETTER, delta_m
from mtl3d.evaluation.metrics.base import MetricSummary, PerImageMetric
from mtl3d.registry import METRICS
from mtl3d.utils.config import nearest

BASELINES = Path(__file__).parents[1] / 'baselines'

#: The metric that stands for a task named without one.
HEADLINES = {
    'semseg': 'mIoU',
    'human_parts': 'mIoU',
    'depth': 'rmse',
    'normals': 'mean',
    'edge': 'odsF',
    'saliency': 'maxF',
}


@METRICS.register_module()
class MultiTaskDelta:
    """Delta_m, the mean relative change against single-task networks, in percent.

    It reads the results of the other metrics, hence it stands in a :class:`MultiTaskEvaluator`
    only. More is better for all metrics but errors (depth, normals), boundaries included.

    Args:
        single_task: The single-task numbers: a dict ``task -> value`` (of the metric of
            :data:`HEADLINES`) or ``task/metric -> value``, in the units of our results (percent,
            metres, degrees); the name of a preset (see :func:`preset_names`); the path of a JSON
            file with such a dict, alone or under ``metrics``, as ``tools/test.py`` writes it; or a
            list of these, merged, for single-task networks that were tested one by one.
        tasks: The tasks that count; None takes all of ``single_task``. Of a task with several
            numbers the headline counts.
        lower_is_better: ``task/metric`` of further metrics of which less is better, for tasks of
            one's own.
        prefix: The first part of the result's key ``<prefix>/delta_m``.
        suffix: Follows the task in the keys of the results to read, for instance ``.average``
            where :func:`metric_variants` named them so.

    Attributes:
        summary: The last Delta_m with its interval, on the main process; None without a bootstrap.

    Raises:
        ValueError: A preset, a task or a task's headline is unknown, or a number is not given.
    """

    units: ClassVar[Mapping[str, str]] = {'delta_m': '%'}

    def __init__(
        self,
        *,
        single_task: str | Mapping[str, float] | Sequence[str | Mapping[str, float]],
        tasks: Sequence[str] | None = None,
        lower_is_better: Sequence[str] = (),
        prefix: str = 'multi_task',
        suffix: str = '',
    ) -> None:
        baseline = load_single_task(single_task)
        if not baseline:
            raise ValueError('single_task is empty: Delta_m compares with at least one task')
        if tasks is None:
            tasks = list(dict.fromkeys(key.split('/')[0] for key in baseline))
        # A results file holds every metric of a task; one of them counts.
        self.single_task = {key: baseline[key] for key in (_choose(t, baseline) for t in tasks)}
        self.lower_is_better = LOWER_IS_BETTER | set(lower_is_better)
        self.prefix = prefix
        self.suffix = suffix
        self.dataset_meta: Mapping[str, Any] | None = None
        self.summary: MetricSummary | None = None

    def compute(
        self, results: Mapping[str, float], metrics: Sequence[Any] = ()
    ) -> dict[str, float]:
        """Compare with the single-task numbers.

        Args:
            results: ``task/metric`` -> value of the other metrics.
            metrics: The metrics themselves. Where all that count have kept statistics for a
                bootstrap, :attr:`summary` tells the interval of Delta_m too.

        Returns:
            ``<prefix>/delta_m`` -> percent.

        Raises:
            ValueError: A metric is missing from the results.
        """
        value = self._delta(results)
        sources = {
            metric.prefix: metric
            for metric in metrics
            if isinstance(metric, PerImageMetric) and metric.statistics
        }
        prefixes = {key.split('/')[0] for key in self._baseline}
        self.summary = None
        if prefixes <= set(sources):
            self.summary = self._bootstrap(value, [sources[prefix] for prefix in sorted(prefixes)])
        return {f'{self.prefix}/delta_m': value}

    @property
    def tasks(self) -> set[str]:
        """The keys of the tasks that count."""
        return {key.split('/')[0] for key in self.single_task}

    @property
    def _baseline(self) -> dict[str, float]:
        return {_with_suffix(key, self.suffix): value for key, value in self.single_task.items()}

    def _delta(self, results: Mapping[str, float]) -> float:
        lower = {_with_suffix(key, self.suffix) for key in self.lower_is_better}
        return delta_m(results, self._baseline, lower_is_better=lower)

    def _bootstrap(self, value: float, metrics: Sequence[PerImageMetric]) -> MetricSummary:
        """Draw images jointly for all tasks, as their scores on one image go together."""
        images = sorted({key for metric in metrics for key in metric.statistics}, key=str)
        column = {key: index for index, key in enumerate(images)}
        num_replicates = min(metric.bootstrap for metric in metrics)
        weights = draw_weights(len(images), num_replicates=num_replicates)
        joint: list[dict[str, float]] = [{} for _ in weights]
        for metric in metrics:
            stats = np.stack(list(metric.statistics.values()))
            own = weights[:, [column[key] for key in metric.statistics]]
            scores = replicate(stats, own, metric.summarize, additive=metric.additive)
            for merged, values in zip(joint, scores, strict=True):
                merged.update({f'{metric.prefix}/{name}': v for name, v in values.items()})
        interval = percentile_interval([self._delta(values) for values in joint])
        return MetricSummary(
            task=self.prefix,
            field=metrics[0].field,
            protocol='',
            num_images=len(images),
            values=dict(delta_m=value),
            intervals=dict(delta_m=interval),
        )

    def process(self, data_batch: Any, data_samples: Sequence[Mapping[str, Any]]) -> None:
        """Refuse to serve in a plain evaluator.

        Raises:
            TypeError: Always.
        """
        raise TypeError(
            'MultiTaskDelta reads the results of other metrics; put it into '
            "val_evaluator = dict(type='MultiTaskEvaluator', metrics=[..., MultiTaskDelta])"
        )


def preset_names() -> list[str]:
    """List the presets: published single-task numbers, each a JSON file that names its source."""
    return sorted(path.stem for path in BASELINES.glob('*.json'))


def load_single_task(
    source: str | Mapping[str, float] | Sequence[str | Mapping[str, float]],
) -> dict[str, float]:
    """Read single-task numbers from any of the forms that :class:`MultiTaskDelta` takes.

    Args:
        source: A dict, a preset's name, a path of a JSON file, or a list of these.

    Returns:
        ``task/metric`` -> value.

    Raises:
        ValueError: A name is neither a preset nor a JSON file, a file holds no numbers, or a task
            has no headline metric.
    """
    if isinstance(source, Mapping):
        return {_full_key(key): float(value) for key, value in source.items()}
    if not isinstance(source, str):
        merged: dict[str, float] = {}
        for part in source:
            merged.update(load_single_task(part))
        return merged
    path = Path(source) if source.endswith('.json') else BASELINES / f'{source}.json'
    if not path.is_file():
        raise ValueError(
            f"single_task='{source}' is neither a preset nor an existing JSON file. "
            f'{nearest(source, preset_names())}'
        )
    content = json.loads(path.read_text())
    metrics = content.get('metrics', content)
    numbers = {k: v for k, v in metrics.items() if '/' in k and isinstance(v, int | float)}
    if not numbers:
        raise ValueError(f"{path} holds no 'task/metric': number")
    return load_single_task({k: v for k, v in numbers.items() if not k.endswith('/delta_m')})


def _full_key(key: str) -> str:
    if '/' in key:
        return key
    if key not in HEADLINES:
        raise ValueError(
            f"single_task: task '{key}' has no headline metric, write '{key}/<metric>'. "
            f'{nearest(key, HEADLINES)}'
        )
    return f'{key}/{HEADLINES[key]}'


def _choose(task: str, baseline: Mapping[str, float]) -> str:
    """Find the baseline's number of a task: its headline, or the only one there is."""
    found = [name for name in baseline if name.split('/')[0] == task]
    if len(found) == 1:
        return found[0]
    key = _full_key(task)
    if key in found:
        return key
    raise ValueError(f'single_task has no {key}; it holds {", ".join(sorted(baseline))}')


def _with_suffix(key: str, suffix: str) -> str:
    task, _, metric = key.partition('/')
    return f'{task}{suffix}/{metric}'
