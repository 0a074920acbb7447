"""Mathematics of the transforms, on arrays; no registry, no random numbers.

Pixel coordinates: the centre of the first pixel is (0, 0), x to the right, y down. Label maps are
``(H, W)`` or ``(H, W, C)``; what happens to their values is decided by their
:class:`~mtl3d.structures.LabelSpec`.
"""

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from mtl3d.structures import LabelSpec


def resize_image(image: NDArray, size: Sequence[int], cubic: bool = False) -> NDArray:
    """Resize an ``(h, w, 3)`` image to ``size`` (H, W); float32, so that nothing is rounded twice.

    Args:
        image: Values in 0..255.
        size: (H, W).
        cubic: Bicubic instead of bilinear; its overshoot is clipped to 0..255.
    """
    mode = cv2.INTER_CUBIC if cubic else cv2.INTER_LINEAR
    resized = cv2.resize(image.astype(np.float32), (size[1], size[0]), interpolation=mode)
    return np.clip(resized, 0, 255) if cubic else resized


def resize_label(label: NDArray, size: Sequence[int]) -> NDArray:
    """Resize a label map to ``size`` (H, W) by its nearest pixels; no value is changed.

    Interpolation would blend "no label" into valid pixels, and classes into other classes.
    """
    return cv2.resize(label, (size[1], size[0]), interpolation=cv2.INTER_NEAREST)


def resize_directions(label: NDArray, size: Sequence[int]) -> NDArray:
    """Resize ``(h, w, 3)`` unit vectors to ``size`` (H, W) bicubically.

    Vectors are normalised again; where the nearest vector is invalid (zero), so is the result.
    """
    valid = resize_label((label != 0).any(axis=-1).astype(np.uint8), size)
    mixed = cv2.resize(label, (size[1], size[0]), interpolation=cv2.INTER_CUBIC)
    return normalize_directions(mixed) * valid[..., None].astype(label.dtype)


def normalize_directions(label: NDArray) -> NDArray:
    """Scale ``(..., 3)`` vectors to length 1; zero vectors stay zero."""
    length = np.linalg.norm(label, axis=-1, keepdims=True)
    return (label / (length + np.finfo(np.float32).eps)).astype(label.dtype)


def zoom_distances(label: NDArray, spec: LabelSpec, factor: float) -> NDArray:
    """Divide metric distances by the zoom factor; other labels stay as they are.

    A picture enlarged by f shows a scene that is f times smaller (seen by the equally enlarged
    camera), so that a network cannot tell it from a closer one. "No measurement" (0) stays 0.
    """
    return (label / factor).astype(label.dtype) if spec.is_distance else label


def flip_label(label: NDArray, spec: LabelSpec) -> NDArray:
    """Mirror a label map left to right; directions change the sign of their x component."""
    flipped = np.ascontiguousarray(label[:, ::-1])
    if spec.is_direction:
        flipped[..., 0] *= -1
    return flipped


def warp_label(label: NDArray, matrix: NDArray, spec: LabelSpec, border: float) -> NDArray:
    """Apply an affine map of the image plane to a label map, keeping the size.

    Class ids, binary maps and distances take the nearest pixel. Directions are interpolated
    bicubically and normalised again; where the nearest one is invalid, so is the result. Their
    components are not rotated, see :func:`rotate_directions`.

    Args:
        label: The map.
        matrix: ``(2, 3)``, from old to new pixel coordinates.
        spec: The label's storage convention.
        border: Value of the pixels from outside.
    """
    size = (label.shape[1], label.shape[0])
    if not spec.is_direction:
        return cv2.warpAffine(label, matrix, size, flags=cv2.INTER_NEAREST, borderValue=border)
    known = (label != 0).any(axis=-1).astype(np.uint8)
    known = cv2.warpAffine(known, matrix, size, flags=cv2.INTER_NEAREST)
    mixed = cv2.warpAffine(label, matrix, size, flags=cv2.INTER_CUBIC)
    return normalize_directions(mixed) * known[..., None].astype(label.dtype)


def warp_image(image: NDArray, matrix: NDArray) -> NDArray:
    """Apply an affine map to an ``(H, W, 3)`` image bicubically; black outside, clipped to 0..255.

    Args:
        image: Values in 0..255.
        matrix: ``(2, 3)``, from old to new pixel coordinates.
    """
    warped = cv2.warpAffine(
        image.astype(np.float32), matrix, (image.shape[1], image.shape[0]), flags=cv2.INTER_CUBIC
    )
    return np.clip(warped, 0, 255)


def rotate_directions(label: NDArray, degrees: float, y_up: bool = True) -> NDArray:
    """Rotate ``(..., 3)`` vectors about the viewing axis along with the picture.

    Args:
        label: Vectors, x to the right.
        degrees: Counter-clockwise as seen in the picture, the sense of ``cv2.getRotationMatrix2D``.
        y_up: Whether y points up or down in the picture.
    """
    angle = np.deg2rad(degrees if y_up else -degrees)
    x, y = label[..., 0], label[..., 1]
    rotated = label.copy()
    rotated[..., 0] = np.cos(angle) * x - np.sin(angle) * y
    rotated[..., 1] = np.sin(angle) * x + np.cos(angle) * y
    return rotated


# -- intrinsics: (3, 3), from camera coordinates (x right, y down, z forward) to pixels ------------


def resize_intrinsics(intrinsics: NDArray, scale: Sequence[float]) -> NDArray:
    """Follow a resize by (x, y) factors, under which pixel *edges* are multiplied."""
    x, y = scale
    move = np.array([[x, 0, (x - 1) / 2], [0, y, (y - 1) / 2], [0, 0, 1]])
    return move @ intrinsics


def crop_intrinsics(intrinsics: NDArray, left: int, top: int) -> NDArray:
    """Follow a crop whose first pixel was at (left, top)."""
    return np.array([[1, 0, -left], [0, 1, -top], [0, 0, 1]]) @ intrinsics


def flip_intrinsics(intrinsics: NDArray, width: int) -> NDArray:
    """Follow a mirroring of picture and scene: the camera of the mirrored scene.

    The focal lengths keep their signs, because the scene's x axis is mirrored as well, in agreement
    with the normals.
    """
    flipped = intrinsics.copy()
    flipped[0, 1] *= -1
    flipped[0, 2] = width - 1 - flipped[0, 2]
    return flipped


def warp_intrinsics(intrinsics: NDArray, matrix: NDArray, degrees: float) -> NDArray:
    """Follow a rotation of picture and scene about the viewing axis, and a zoom.

    Args:
        intrinsics: The camera.
        matrix: ``(2, 3)``, from old to new pixel coordinates.
        degrees: The matrix's rotation; it is taken out again, since it has turned the scene.
    """
    cos, sin = np.cos(np.deg2rad(degrees)), np.sin(np.deg2rad(degrees))
    turn_back = np.array([[cos, -sin, 0], [sin, cos, 0], [0, 0, 1]])
    return np.vstack([matrix, (0, 0, 1)]) @ intrinsics @ turn_back


# -- poses: (4, 4), camera to world. What a transform does to the scene in front of one camera it
# -- does to the whole world, so that the poses of two views stay consistent when both are treated
# -- alike.


def flip_pose(pose: NDArray) -> NDArray:
    """Follow a mirroring of the x axes of camera and world."""
    mirror = np.diag([-1.0, 1.0, 1.0, 1.0])
    return mirror @ pose @ mirror


def zoom_pose(pose: NDArray, factor: float) -> NDArray:
    """Follow a scene made 1 / factor as large, see :func:`zoom_distances`."""
    zoomed = pose.copy()
    zoomed[:3, 3] /= factor
    return zoomed


def turn_pose(pose: NDArray, degrees: float) -> NDArray:
    """Follow a rotation of the camera's axes about the viewing axis; the world stays.

    Args:
        pose: The camera.
        degrees: Counter-clockwise as seen in the picture, as in :func:`warp_intrinsics`.
    """
    cos, sin = np.cos(np.deg2rad(degrees)), np.sin(np.deg2rad(degrees))
    turn_back = np.eye(4)
    turn_back[:2, :2] = [[cos, -sin], [sin, cos]]
    return pose @ turn_back


# -- photometry on (H, W, 3) uint8 RGB -------------------------------------------------------------


def adjust_linear(values: NDArray, gain: float = 1.0, offset: float = 0.0) -> NDArray:
    """Compute ``gain * values + offset``, clipped to 0..255 and truncated."""
    adjusted = values.astype(np.float32) * gain + offset
    return np.clip(adjusted, 0, 255).astype(np.uint8)


def adjust_saturation(image: NDArray, gain: float) -> NDArray:
    """Multiply the saturation in HSV."""
    hsv = cv2.cvtColor(image, cv2.COLOR_RGB2HSV)
    hsv[..., 1] = adjust_linear(hsv[..., 1], gain)
    return cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB)


def shift_hue(image: NDArray, shift: int) -> NDArray:
    """Turn the hue in HSV by ``shift`` steps of 2 degrees."""
    hsv = cv2.cvtColor(image, cv2.COLOR_RGB2HSV)
    hsv[..., 0] = (hsv[..., 0].astype(int) + shift) % 180
    return cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB)
