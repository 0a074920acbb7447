"""Transforms; all geometric ones treat the labels of every task."""

from mtl3d.datasets.transforms.ignore_background_only import IgnoreBackgroundOnly
from mtl3d.datasets.transforms.load_image import LoadImage
from mtl3d.datasets.transforms.load_labels import LoadLabels
from mtl3d.datasets.transforms.pack_multi_task_inputs import PackMultiTaskInputs
from mtl3d.datasets.transforms.photo_metric_distortion import PhotoMetricDistortion
from mtl3d.datasets.transforms.random_crop import RandomCrop
from mtl3d.datasets.transforms.random_flip import RandomFlip
from mtl3d.datasets.transforms.random_scale import RandomScale
from mtl3d.datasets.transforms.random_scale_rotate import RandomScaleRotate
from mtl3d.datasets.transforms.resize import Resize

__all__ = [
    'IgnoreBackgroundOnly',
    'LoadImage',
    'LoadLabels',
    'PackMultiTaskInputs',
    'PhotoMetricDistortion',
    'RandomCrop',
    'RandomFlip',
    'RandomScale',
    'RandomScaleRotate',
    'Resize',
]
