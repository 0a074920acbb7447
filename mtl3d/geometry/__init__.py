"""Cameras and the points they see; pure tensor functions."""

from mtl3d.geometry.cameras import (
    backproject,
    check_intrinsics,
    check_pose,
    frustum_coordinates,
    pixel_grid,
    project,
    relative_pose,
    resize_intrinsics,
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
    'resize_intrinsics',
    'transform',
]
