"""Registered metrics, one a task, on top of :mod:`mtl3d.evaluation.functional`."""

from mtl3d.evaluation.metrics.base import MetricSummary, PerImageMetric
from mtl3d.evaluation.metrics.depth_metric import DepthMetric
from mtl3d.evaluation.metrics.edge_metric import EdgeMetric
from mtl3d.evaluation.metrics.human_parts_metric import HumanPartsMetric
from mtl3d.evaluation.metrics.multi_task_delta import MultiTaskDelta
from mtl3d.evaluation.metrics.normals_metric import NormalsMetric
from mtl3d.evaluation.metrics.saliency_metric import SaliencyMetric
from mtl3d.evaluation.metrics.semseg_metric import SemSegMetric

__all__ = [
    'DepthMetric',
    'EdgeMetric',
    'HumanPartsMetric',
    'MetricSummary',
    'MultiTaskDelta',
    'NormalsMetric',
    'PerImageMetric',
    'SaliencyMetric',
    'SemSegMetric',
]
