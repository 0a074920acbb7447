"""Models and their parts; importing this package registers all of them."""

from mtl3d.models import backbones, decoders, encoders, heads, regularizers, tasks
from mtl3d.models.data_preprocessor import MultiTaskDataPreprocessor
from mtl3d.models.multi_task_model import MultiTaskModel

__all__ = [
    'MultiTaskDataPreprocessor',
    'MultiTaskModel',
    'backbones',
    'decoders',
    'encoders',
    'heads',
    'regularizers',
    'tasks',
]
