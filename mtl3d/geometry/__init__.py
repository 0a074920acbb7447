"""Cameras and the points they see: tensor functions here, NumPy's in ``depth_maps``."""

from mtl3d.geometry.cameras import (
    backproject,
    check_intrinsics,
    check_pose,
    frustum_coordinates,
    pixel_grid,
    project,
    relative_pose,
    transform,
)

__all__ = [
    'backproject',
    'check_intrinsics',
    'check_pose',
    'frustum_coordinates',
    'pixel_grid',
    'project',
    'relative_pose',
    'transform',
]
