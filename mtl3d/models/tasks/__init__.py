"""What a task is: its channels, its loss, and how raw predictions become results."""

from mtl3d.models.tasks.base import Task
from mtl3d.models.tasks.depth import DepthTask
from mtl3d.models.tasks.edge import EdgeTask
from mtl3d.models.tasks.human_parts import HumanPartsTask
from mtl3d.models.tasks.normals import NormalsTask
from mtl3d.models.tasks.quantized import QuantizedDepthTask, QuantizedNormalsTask
from mtl3d.models.tasks.saliency import SaliencyTask
from mtl3d.models.tasks.semseg import SemSegTask

__all__ = [
    'DepthTask',
    'EdgeTask',
    'HumanPartsTask',
    'NormalsTask',
    'QuantizedDepthTask',
    'QuantizedNormalsTask',
    'SaliencyTask',
    'SemSegTask',
    'Task',
]
