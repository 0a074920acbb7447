"""An evaluator whose last word is Delta_m."""

from collections.abc import Mapping, Sequence
from typing import Any

from mmengine.evaluator import BaseMetric, Evaluator
from mmengine.structures import BaseDataElement

from mtl3d.evaluation.metrics.base import FIELDS, PerImageMetric
from mtl3d.evaluation.metrics.multi_task_delta import MultiTaskDelta
from mtl3d.registry import EVALUATOR, METRICS
from mtl3d.utils.config import nearest, resolve


@EVALUATOR.register_module()
class MultiTaskEvaluator(Evaluator):
    """MMEngine's evaluator, in which a metric may be computed from the other metrics' results.

    Args:
        metrics: Configs or objects: metrics of single tasks, and any number of
            :class:`MultiTaskDelta`.
    """

    def __init__(self, *, metrics: Sequence[Mapping[str, Any] | BaseMetric | MultiTaskDelta]):
        super().__init__([METRICS.build(dict(m)) if isinstance(m, Mapping) else m for m in metrics])
        self._single_tasks = Evaluator(
            [metric for metric in self.metrics if not isinstance(metric, MultiTaskDelta)]
        )

    def process(self, data_samples: Sequence[BaseDataElement], data_batch: Any = None) -> None:
        """Hand a batch to the metrics of single tasks.

        Args:
            data_samples: Samples with labels and predictions.
            data_batch: Not used by our metrics.
        """
        self._single_tasks.process(data_samples, data_batch)

    def evaluate(self, size: int) -> dict[str, float]:
        """Evaluate the metrics of single tasks, then what depends on them.

        Args:
            size: Images of the data set.

        Returns:
            ``<prefix>/<metric>`` -> value.

        Raises:
            ValueError: Two metrics have one name, or Delta_m lacks a metric.
        """
        results = self._single_tasks.evaluate(size)
        for metric in self.metrics:
            if isinstance(metric, MultiTaskDelta):
                results.update(metric.compute(results, self.metrics))
        return results


def result_names(metrics: Sequence[BaseMetric | MultiTaskDelta]) -> set[str] | None:
    """List the keys that an evaluation can have, before there is one.

    Args:
        metrics: The evaluator's metrics.

    Returns:
        ``<prefix>/<metric>`` keys, or None where a metric does not say what it computes.
    """
    if not all(getattr(metric, 'units', None) for metric in metrics):
        return None
    return {f'{metric.prefix}/{name}' for metric in metrics for name in metric.units}


def metric_configs(evaluator: Mapping[str, Any] | Sequence[Any]) -> list[Any]:
    """List the metrics of an evaluator's config, in any of the forms that MMEngine accepts.

    Args:
        evaluator: A dict with ``metrics``, one metric, or a list of metrics.
    """
    if isinstance(evaluator, Mapping):
        return list(evaluator.get('metrics', [evaluator]))
    return list(evaluator)


def metric_variants(
    metrics: Sequence[Mapping[str, Any]],
    *,
    fields: Sequence[str] = ('pred',),
    protocols: Sequence[str] = (),
    bootstrap: int = 0,
) -> list[dict[str, Any]]:
    """Repeat metric configs for several outputs of the model and several protocols.

    The prefix of a variant tells it apart: ``depth.regularizer/rmse`` scores
    ``pred_regularizer``, ``saliency.clean/maxF`` follows the protocol ``clean``. A protocol that a
    metric does not know is left out for it. :class:`MultiTaskDelta` is repeated for the fields
    (``multi_task.regularizer/delta_m``), not for the protocols.

    Args:
        metrics: Configs of metrics.
        fields: The predictions to score, of ``pred``, ``pred_regularizer``, ``pred_average``.
        protocols: Protocols in addition to each metric's own.
        bootstrap: Replicates for confidence intervals; 0 leaves the metrics' own setting.

    Returns:
        Configs for :class:`MultiTaskEvaluator`.

    Raises:
        ValueError: A field is unknown, or a metric is of another kind.
    """
    variants = []
    for field in fields:
        if field not in FIELDS:
            raise ValueError(f"field '{field}': {nearest(field, FIELDS)}")
        suffix = field.removeprefix('pred').replace('_', '.')
        for cfg in metrics:
            cls = resolve(cfg['type'], METRICS)
            if cls is MultiTaskDelta:
                prefix = cfg.get('prefix', 'multi_task') + suffix
                variants.append({**cfg, 'prefix': prefix, 'suffix': suffix})
                continue
            if not (isinstance(cls, type) and issubclass(cls, PerImageMetric)):
                raise ValueError(
                    f'{cfg["type"]} cannot be repeated for other outputs: it is no PerImageMetric'
                )
            if bootstrap:
                cfg = {**cfg, 'bootstrap': bootstrap}
            own = cfg.get('protocol', cls.protocols[0])
            prefix = (cfg.get('prefix') or str(cls.default_prefix)) + suffix
            variants.append({**cfg, 'field': field, 'protocol': own, 'prefix': prefix})
            for protocol in protocols:
                if protocol in cls.protocols and protocol != own:
                    other = dict(field=field, protocol=protocol, prefix=f'{prefix}.{protocol}')
                    variants.append({**cfg, **other})
    return variants
