"""Camera poses of RGB-D videos by COLMAP, in metres. See docs/cross_view.md."""

from mtl3d.datasets.colmap.convert import Frame, convert_scenes
from mtl3d.datasets.colmap.scene_cameras import FrameCamera, Pair, SceneCameras
from mtl3d.datasets.colmap.sparse_model import (
    ReconstructionError,
    SparseView,
    read_sparse_model,
    reconstruct,
)

__all__ = [
    'Frame',
    'FrameCamera',
    'Pair',
    'ReconstructionError',
    'SceneCameras',
    'SparseView',
    'convert_scenes',
    'read_sparse_model',
    'reconstruct',
]
