"""Evaluation: metrics, Delta_m, reports.

The names are imported on first use, so that boundaries (:mod:`mtl3d.evaluation.edges`) and the
functions of :mod:`mtl3d.evaluation.functional` can be used without waiting for torch.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mtl3d.evaluation.multi_task_evaluator import MultiTaskEvaluator, metric_variants
    from mtl3d.evaluation.report import collect_rows, draw_table, results_dict

__all__ = ['MultiTaskEvaluator', 'collect_rows', 'draw_table', 'metric_variants', 'results_dict']

_MODULES = {
    'MultiTaskEvaluator': 'mtl3d.evaluation.multi_task_evaluator',
    'metric_variants': 'mtl3d.evaluation.multi_task_evaluator',
    'collect_rows': 'mtl3d.evaluation.report',
    'draw_table': 'mtl3d.evaluation.report',
    'results_dict': 'mtl3d.evaluation.report',
}


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f'module {__name__!r} has no attribute {name!r}')
    return getattr(import_module(_MODULES[name]), name)
