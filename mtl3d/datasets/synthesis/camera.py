"""Pinhole cameras: x right, y down, z forward; the top left pixel's centre is (0, 0)."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Camera:
    """A calibrated view.

    Attributes:
        intrinsics: ``(3, 3)``, in pixels.
        camera_to_world: ``(4, 4)``, a rigid motion, in metres. The world's z axis points up.
        size: Height and width of the image in pixels.
    """

    intrinsics: Array
    camera_to_world: Array
    size: tuple[int, int]

    def rays(self, offset: tuple[float, float] = (0.0, 0.0)) -> tuple[Array, Array]:
        """Make one ray per pixel.

        Args:
            offset: Where the ray passes by its pixel's centre, as (x, y) in [-0.5, 0.5].

        Returns:
            Origin ``(3,)`` and directions ``(H * W, 3)`` in the world, row by row. The directions
            are scaled so that the distance along the ray is the depth along the optical axis.
        """
        height, width = self.size
        v, u = np.mgrid[:height, :width].reshape(2, -1) + np.asarray(offset)[::-1, None]
        (fx, _, cx), (_, fy, cy) = self.intrinsics[:2]
        rays = np.stack([(u - cx) / fx, (v - cy) / fy, np.ones_like(u)], axis=1)
        return self.camera_to_world[:3, 3], rays @ self.camera_to_world[:3, :3].T


def intrinsics(size: tuple[int, int], horizontal_field_of_view: float) -> Array:
    """Make the matrix of a camera with square pixels and a central principal point.

    Args:
        size: Height and width in pixels.
        horizontal_field_of_view: In degrees.

    Returns:
        ``(3, 3)``.
    """
    height, width = size
    focal = width / 2 / np.tan(np.deg2rad(horizontal_field_of_view) / 2)
    return np.array([[focal, 0, (width - 1) / 2], [0, focal, (height - 1) / 2], [0, 0, 1]])


def look_at(position: ArrayLike, target: ArrayLike) -> Array:
    """Make the pose of an upright camera.

    Args:
        position: The camera's centre ``(3,)``, in metres.
        target: The point at the centre of its image ``(3,)``.

    Returns:
        ``(4, 4)``, camera to world.
    """
    position = np.asarray(position, dtype=np.float64)
    forward = np.asarray(target, dtype=np.float64) - position
    forward /= np.linalg.norm(forward)
    right = np.cross(forward, (0.0, 0.0, 1.0))
    right /= np.linalg.norm(right)
    pose = np.eye(4)
    pose[:3, :4] = np.stack([right, np.cross(forward, right), forward, position], axis=1)
    return pose
