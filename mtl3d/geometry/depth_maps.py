"""Pinhole geometry of depth maps, on NumPy arrays.

Camera coordinates are x right, y down, z forward, in metres; the centre of the first pixel is
(0, 0). Normals are in the axes of the labels: x right, y up, z towards the viewer.
"""

import numpy as np
from numpy.typing import NDArray


def points_of_depth(depth: NDArray, intrinsics: NDArray) -> NDArray[np.float64]:
    """Compute the point that each pixel sees.

    Args:
        depth: ``(H, W)`` metres along z.
        intrinsics: ``(3, 3)`` from camera coordinates to pixels.

    Returns:
        ``(H, W, 3)`` camera coordinates.
    """
    rows, columns = np.mgrid[: depth.shape[0], : depth.shape[1]]
    pixels = np.stack([columns, rows, np.ones_like(rows)], axis=-1)
    return pixels @ np.linalg.inv(intrinsics).T * depth[..., None]


def normals_from_depth(
    depth: NDArray, intrinsics: NDArray, radius: int = 1, max_jump: float = 0.05
) -> NDArray[np.float32]:
    """Compute normals from a depth map by central differences of the points.

    Args:
        depth: ``(H, W)`` metres, 0 = no measurement.
        intrinsics: ``(3, 3)`` from camera coordinates to pixels.
        radius: Distance in pixels of the neighbours, left - right and above - below; larger values
            average out sensor noise.
        max_jump: A pixel is invalid when a neighbour's depth differs by more than this part of its
            own depth per pixel of distance: the neighbours then lie on different surfaces.

    Returns:
        ``(H, W, 3)`` float32 unit vectors towards the viewer (x right, y up, z towards the viewer),
        zero where a neighbour is missing.
    """
    points = points_of_depth(depth.astype(np.float64), intrinsics)
    normals = np.zeros(depth.shape + (3,), np.float32)
    r = radius
    if min(depth.shape) <= 2 * r:
        return normals
    inner = (slice(r, -r), slice(r, -r))
    neighbours = [
        (slice(r, -r), slice(None, -2 * r)),
        (slice(r, -r), slice(2 * r, None)),
        (slice(None, -2 * r), slice(r, -r)),
        (slice(2 * r, None), slice(r, -r)),
    ]
    left, right, above, below = (points[n] for n in neighbours)
    normal = np.cross(below - above, right - left)  # towards the viewer, who looks along +z
    centre = depth[inner]
    valid = centre > 0
    for n in neighbours:
        valid &= (depth[n] > 0) & (np.abs(depth[n] - centre) <= max_jump * r * centre)
    length = np.linalg.norm(normal, axis=-1)
    valid &= length > 0
    unit = normal / np.where(valid, length, 1)[..., None] * (1, -1, -1)
    normals[inner] = np.where(valid[..., None], unit, 0)
    return normals


def depth_residual(
    depth: NDArray,
    intrinsics: NDArray,
    other_depth: NDArray,
    other_intrinsics: NDArray,
    to_other: NDArray,
) -> NDArray[np.float64]:
    """Compare each point that a view sees with what another view measures in its direction.

    Args:
        depth: ``(H, W)`` metres along z, 0 = no measurement.
        intrinsics: ``(3, 3)`` from camera coordinates to pixels.
        other_depth: ``(h, w)`` of the other view; its nearest pixel is taken.
        other_intrinsics: ``(3, 3)``.
        to_other: ``(4, 4)``, from this camera's coordinates to the other's, in metres.

    Returns:
        ``(H, W)``: measured depth in the other view over the point's depth there, minus 1; negative
        where something stands in front of the point, and NaN where either view has no measurement
        or the point is outside of the other picture.
    """
    points = points_of_depth(depth, intrinsics) @ to_other[:3, :3].T + to_other[:3, 3]
    z = points[..., 2]
    usable = (depth > 0) & (z > 0)
    pixels = (points @ other_intrinsics.T)[..., :2] / np.where(usable, z, 1)[..., None]
    column, row = np.moveaxis(np.round(np.where(usable[..., None], pixels, -1)), -1, 0)
    height, width = other_depth.shape
    usable &= (0 <= row) & (row < height) & (0 <= column) & (column < width)
    index = np.where(usable, row, 0).astype(int), np.where(usable, column, 0).astype(int)
    measured = other_depth[index]
    usable &= measured > 0
    return np.where(usable, measured / np.where(usable, z, 1) - 1, np.nan)


def overlap(residual: NDArray, depth: NDArray, tolerance: float = 0.05) -> float:
    """Compute the part of a view's measured pixels that the other view sees, too.

    Args:
        residual: ``(H, W)`` from :func:`depth_residual`.
        depth: ``(H, W)`` of the same view.
        tolerance: Largest relative difference of depth at which both see the same surface.
    """
    seen = np.count_nonzero(np.abs(residual) <= tolerance)
    return float(seen / np.maximum(np.count_nonzero(depth > 0), 1))
