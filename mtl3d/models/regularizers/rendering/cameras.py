"""Rays of other cameras through an image's volume.

The volume is the normalised frustum of the image's own camera (x and y are normalised image
coordinates, z maps metric depth linearly from [near, far] to [-1, 1]), so the image's own pinhole
rays are the rays along z of :class:`GridRays`, whatever its intrinsics.
"""

from typing import NamedTuple

import torch
from torch import Tensor

from mtl3d.geometry import backproject, frustum_coordinates
from mtl3d.models.regularizers.rendering.scene import GridRays, PointRays, Rendering


class Cameras(NamedTuple):
    """M views, each looking into the volume of one image of a batch.

    Attributes:
        image: ``(M,)`` int64, the image whose volume it is.
        intrinsics: ``(M, 3, 3)`` of that image, in pixels.
        size: (H, W) of the images.
        other_intrinsics: ``(M, 3, 3)`` of the views, in pixels.
        other_size: (H, W) of the views' pictures.
        pose: ``(M, 4, 4)``, from the view's camera coordinates to the image's, in metres.
    """

    image: Tensor
    intrinsics: Tensor
    size: tuple[int, int]
    other_intrinsics: Tensor
    other_size: tuple[int, int]
    pose: Tensor


def camera_rays(cameras: Cameras, grid: GridRays, near: float, far: float) -> PointRays:
    """Send the rays of a grid from other cameras.

    Position, depth bins and jitter of the rays are those of the grid, meant in the other view; with
    the identity as pose and equal intrinsics the result is the grid.

    A density is a property of space. In the image's own volume it counts per unit of z, and a ray
    ``r = K^-1 (u, v, 1)`` travels ``|r|`` metres per metre of depth; so a sample of another view's
    ray r' at X, which lies on the ray ``r = X / X_z`` of the image, stands for ``|r'| / |r|`` as
    much matter.

    Args:
        cameras: M views.
        grid: M images of rays in the views' normalised image coordinates and depths.
        near: Depth of the volume's front, in metres.
        far: Depth of the volume's back, in metres.

    Returns:
        Rays ``(M, h, w)``; samples outside the volume or behind the image's camera have length 0.
    """
    dtype = grid.z.dtype
    height, width = cameras.other_size
    y, x = torch.meshgrid((grid.y + 1) * height, (grid.x + 1) * width, indexing='ij')
    pixels = (torch.stack([x, y], dim=-1) - 1) / 2
    depth = metric_depth(grid.z, near, far)
    pose = cameras.pose.to(dtype)
    # Under autocast the matrix products would round positions to 8 bits.
    with torch.autocast(x.device.type, enabled=False):
        rays = backproject(
            pixels, torch.ones_like(x), cameras.other_intrinsics.to(dtype)[:, None, None]
        )
        # Rotating rays instead of points: there are as many fewer as a ray has samples.
        rotated = torch.einsum('mij,mhwj->mhwi', pose[:, :3, :3], rays)
        points = depth[:, None, None, :, None] * rotated[:, :, :, None]
        points = points + pose[:, None, None, None, :3, 3]
        coordinates, inside = frustum_coordinates(
            points, cameras.intrinsics.to(dtype)[:, None, None, None], cameras.size, near, far
        )
    length = points.norm(dim=-1).clamp(min=torch.finfo(dtype).tiny)
    matter = rays.norm(dim=-1)[..., None] * points[..., 2] / length
    delta = torch.where(inside, grid.delta[:, None, None] * matter, 0)
    # Points behind the camera may be anywhere; keep them near, they weigh nothing.
    return PointRays(coordinates.clamp(-2, 2), delta, grid.depth)


def metric_depth(z: Tensor, near: float, far: float) -> Tensor:
    """Map the volume's third axis, [-1, 1], to metres."""
    return near + (z + 1) * ((far - near) / 2)


def termination_depth(rendering: Rendering, near: float, far: float) -> Tensor:
    """Compute ``sum_k weight_k d_k`` in metres, ``(N, G, h, w)``, of rays whose depth unit is z.

    Light that leaves the volume counts as depth 0.
    """
    # `depth` is sum_k weight_k z_k, and d_k is linear in z_k.
    return rendering.depth * ((far - near) / 2) + rendering.opacity * ((far + near) / 2)
