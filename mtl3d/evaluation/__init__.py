"""Evaluation: metrics, Delta_m, reports; importing this package registers the metrics."""

from mtl3d.evaluation import metrics
from mtl3d.evaluation.multi_task_evaluator import MultiTaskEvaluator, metric_variants
from mtl3d.evaluation.report import collect_rows, results_dict, results_table

__all__ = [
    'MultiTaskEvaluator',
    'collect_rows',
    'metric_variants',
    'metrics',
    'results_dict',
    'results_table',
]
