"""Pinhole cameras: x to the right, y down, z along the viewing direction; metres and pixels.

The centre of the top left pixel is at (0, 0), as in OpenCV and COLMAP's converted models; the
picture therefore spans [-0.5, W - 0.5] x [-0.5, H - 0.5]. Poses are rigid 4x4 matrices.
"""

import torch
from torch import Tensor


def check_intrinsics(intrinsics: Tensor, name: str = 'intrinsics') -> None:
    """Refuse matrices that are no pinhole intrinsics.

    Args:
        intrinsics: ``(..., 3, 3)``.
        name: What to call them in the error.

    Raises:
        ValueError: Wrong shape, not finite, a focal length that is not positive, or a last row
            other than (0, 0, 1).
    """
    if intrinsics.shape[-2:] != (3, 3):
        raise ValueError(f'{name} must be (..., 3, 3), got {tuple(intrinsics.shape)}')
    if not intrinsics.isfinite().all():
        raise ValueError(f'{name} has a value that is not finite: {intrinsics.tolist()}')
    if (intrinsics[..., 0, 0] <= 0).any() or (intrinsics[..., 1, 1] <= 0).any():
        raise ValueError(f'{name} is singular, its focal lengths must be positive: '
                         f'{intrinsics.tolist()}')  # fmt: skip
    if not torch.equal(
        intrinsics[..., 2, :], intrinsics.new_tensor([0, 0, 1]).expand_as(intrinsics[..., 2, :])
    ):
        raise ValueError(f'{name} must end with the row (0, 0, 1): {intrinsics.tolist()}')


def check_pose(pose: Tensor, name: str = 'pose', tolerance: float = 1e-3) -> None:
    """Refuse matrices that are no rigid motion.

    Args:
        pose: ``(..., 4, 4)``.
        name: What to call it in the error.
        tolerance: Allowed deviation of ``R R^T`` from the identity.

    Raises:
        ValueError: Wrong shape, not finite, not a rotation, or a last row other than (0, 0, 0, 1).
    """
    if pose.shape[-2:] != (4, 4):
        raise ValueError(f'{name} must be (..., 4, 4), got {tuple(pose.shape)}')
    if not pose.isfinite().all():
        raise ValueError(f'{name} has a value that is not finite: {pose.tolist()}')
    rotation = pose[..., :3, :3]
    deviation = rotation @ rotation.mT - torch.eye(3, dtype=pose.dtype, device=pose.device)
    last_row = pose[..., 3, :] - pose.new_tensor([0, 0, 0, 1])
    if deviation.abs().max() > tolerance or last_row.abs().max() > tolerance:
        raise ValueError(f'{name} is not a rigid motion: {pose.tolist()}')
    if (torch.linalg.det(rotation) < 0).any():
        raise ValueError(f'{name} is a reflection, not a rotation: {pose.tolist()}')


def pixel_grid(height: int, width: int, like: Tensor) -> Tensor:
    """List the pixel centres of an image.

    Args:
        height: Rows.
        width: Columns.
        like: Gives dtype and device.

    Returns:
        ``(height, width, 2)``, x and y in pixels.
    """
    rows = torch.arange(height, dtype=like.dtype, device=like.device)
    columns = torch.arange(width, dtype=like.dtype, device=like.device)
    y, x = torch.meshgrid(rows, columns, indexing='ij')
    return torch.stack([x, y], dim=-1)


def backproject(pixels: Tensor, depth: Tensor, intrinsics: Tensor) -> Tensor:
    """Lift pixels to 3D: ``X = d K^-1 (x, y, 1)``.

    Args:
        pixels: ``(..., 2)`` in pixels.
        depth: ``(...)`` z-depth in metres.
        intrinsics: ``(3, 3)``, or a shape that broadcasts to ``(..., 3, 3)``.

    Returns:
        ``(..., 3)`` camera coordinates in metres.
    """
    homogeneous = torch.cat([pixels, torch.ones_like(pixels[..., :1])], dim=-1)
    rays = (torch.linalg.inv(intrinsics) @ homogeneous[..., None])[..., 0]
    return rays * depth[..., None]


def project(points: Tensor, intrinsics: Tensor) -> tuple[Tensor, Tensor]:
    """Project camera coordinates into the picture.

    Args:
        points: ``(..., 3)`` camera coordinates in metres.
        intrinsics: ``(3, 3)``, or a shape that broadcasts to ``(..., 3, 3)``.

    Returns:
        ``(..., 2)`` pixels and ``(...)`` z-depth in metres. Where the depth is not positive the
        point lies behind the camera and its pixel means nothing, but is finite.
    """
    homogeneous = (intrinsics @ points[..., None])[..., 0]
    depth = homogeneous[..., 2]
    tiny = torch.finfo(points.dtype).tiny ** 0.5
    pixels = homogeneous[..., :2] / depth.clamp(min=tiny)[..., None]
    return pixels, depth


def transform(points: Tensor, pose: Tensor) -> Tensor:
    """Apply a rigid motion: ``X' = R X + t``.

    Args:
        points: ``(..., 3)`` in metres.
        pose: ``(4, 4)``, or a shape that broadcasts to ``(..., 4, 4)``.
    """
    return (pose[..., :3, :3] @ points[..., None])[..., 0] + pose[..., :3, 3]


def relative_pose(target_to_world: Tensor, source_to_world: Tensor) -> Tensor:
    """Compute the motion that takes the source camera's coordinates to the target camera's.

    Args:
        target_to_world: ``(..., 4, 4)`` camera-to-world pose of the target view.
        source_to_world: ``(..., 4, 4)`` camera-to-world pose of the source view.

    Returns:
        ``(..., 4, 4)``.
    """
    return torch.linalg.inv(target_to_world) @ source_to_world


def frustum_coordinates(
    points: Tensor,
    intrinsics: Tensor,
    size: tuple[int, int],
    near: float,
    far: float,
) -> tuple[Tensor, Tensor]:
    """Locate points in the normalised frustum volume of a view.

    The first two axes are the view's normalised image coordinates, the third maps metric depth
    linearly from ``[near, far]`` to ``[-1, 1]``, so the view's own pinhole rays are parallel to the
    third axis and single-view rendering needs no camera.

    Args:
        points: ``(..., 3)`` coordinates in that view's camera, in metres.
        intrinsics: ``(3, 3)`` or broadcastable, in pixels of the image of ``size``.
        size: (H, W) of that image.
        near: Depth of the volume's front, in metres.
        far: Depth of the volume's back, in metres.

    Returns:
        ``(..., 3)`` volume coordinates, and ``(...)`` bool: inside the volume (and therefore in
        front of the camera).

    Raises:
        ValueError: Not ``0 < near < far``.
    """
    if not 0 < near < far:
        raise ValueError(f'near={near}, far={far}: they must satisfy 0 < near < far')
    pixels, depth = project(points, intrinsics)
    extent = points.new_tensor([size[1], size[0]])
    uv = (2 * pixels + 1) / extent - 1
    z = 2 * (depth - near) / (far - near) - 1
    coordinates = torch.cat([uv, z[..., None]], dim=-1)
    return coordinates, (coordinates.abs() <= 1).all(dim=-1)
