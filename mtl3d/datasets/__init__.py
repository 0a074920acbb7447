"""Data sets and their transforms."""

from mtl3d.datasets.multi_task_dataset import LabelFile, LabelPattern, MultiTaskDataset
from mtl3d.datasets.nyud import NYUDv2Dataset
from mtl3d.datasets.nyud_video import NYUDv2VideoDataset
from mtl3d.datasets.pascal_context import PASCALContextDataset
from mtl3d.datasets.rgbd_frames import RGBDFramesDataset
from mtl3d.datasets.synth_rooms import SynthRoomsDataset
from mtl3d.datasets.two_view import TwoViewDataset

__all__ = [
    'LabelFile',
    'LabelPattern',
    'MultiTaskDataset',
    'NYUDv2Dataset',
    'NYUDv2VideoDataset',
    'PASCALContextDataset',
    'RGBDFramesDataset',
    'SynthRoomsDataset',
    'TwoViewDataset',
]
