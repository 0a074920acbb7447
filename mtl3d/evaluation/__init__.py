"""Evaluation: metrics, Delta_m, reports.

The names are imported on first use, so that boundaries (:mod:`mtl3d.evaluation.edges`) and the
functions of :mod:`mtl3d.evaluation.functional` can be used without waiting for torch.
"""

from typing import TYPE_CHECKING

from mtl3d.utils.lazy import lazy_attributes

if TYPE_CHECKING:
    from mtl3d.evaluation.multi_task_evaluator import MultiTaskEvaluator, metric_variants
    from mtl3d.evaluation.report import collect_rows, draw_table, results_dict

__all__ = ['MultiTaskEvaluator', 'collect_rows', 'draw_table', 'metric_variants', 'results_dict']

__getattr__ = lazy_attributes(
    __name__,
    {
        'MultiTaskEvaluator': 'mtl3d.evaluation.multi_task_evaluator',
        'metric_variants': 'mtl3d.evaluation.multi_task_evaluator',
        'collect_rows': 'mtl3d.evaluation.report',
        'draw_table': 'mtl3d.evaluation.report',
        'results_dict': 'mtl3d.evaluation.report',
    },
)
