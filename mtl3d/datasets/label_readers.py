"""From a label file to an array in the layout of :data:`mtl3d.structures.LABEL_SPECS`.

Plain functions, one per encoding. Each takes a path and returns ``(H, W)`` or ``(H, W, 3)``, or
None when the file says that nothing is annotated. Their ``ValueError`` tells what is wrong with the
content; :class:`~mtl3d.datasets.transforms.LoadLabels` adds which task of which image it was.
"""

import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mtl3d.structures.label_spec import IGNORE_INDEX
from mtl3d.utils.image_io import read_picture, read_stored

PLAUSIBLE_DEPTH = (0.1, 50.0)
"""Metres; a depth map whose median lies outside is almost surely stored in another unit."""

_reported: set[str] = set()


def warn_first(problem: str, message: str) -> None:
    """Issue a ``UserWarning`` for the first file with a problem: in a bad archive all have it."""
    if problem not in _reported:
        _reported.add(problem)
        warnings.warn(message, UserWarning, stacklevel=3)


def warn_again() -> None:
    """Let each problem be reported again, for a check of every file."""
    _reported.clear()


def read_gray(path: str | Path) -> NDArray:
    """Read a single-channel picture as ``(H, W)``; of a palette picture, the indices.

    Raises:
        ValueError: The picture has several channels, or the file is damaged or no picture.
        FileNotFoundError: The file is missing.
    """
    values = read_stored(path)
    if values.ndim != 2:
        raise ValueError(
            f'has {values.shape[2]} channels where one is expected. Store ids, not colours'
        )
    return values


def read_array(path: str | Path, ndim: int) -> NDArray:
    """Read a ``.npy`` file without unpickling, and drop axes of length one.

    Raises:
        OSError: The file is damaged, or holds pickled objects.
        ValueError: The array has another number of axes.
    """
    try:
        array = np.load(path, allow_pickle=False).squeeze()
    except (ValueError, EOFError) as error:  # what NumPy makes of a damaged file
        raise OSError(str(error)) from error
    if array.ndim != ndim:
        raise ValueError(f'has shape {array.shape} where {ndim} axes are expected')
    return array


def read_class_map(
    path: str | Path, *, num_classes: int, zero_is_void: bool = False
) -> NDArray[np.uint8]:
    """Read a class map stored as a picture.

    Args:
        path: A single-channel or palette picture.
        num_classes: Valid ids are 0 .. num_classes - 1 after decoding, and 255.
        zero_is_void: The file stores 0 = unlabelled and classes from 1, as NYUv2 does.

    Returns:
        ``(H, W)`` uint8 class ids, 255 = ignore.

    Raises:
        ValueError: An id is outside the classes.
    """
    ids = read_gray(path).astype(np.int64)
    if zero_is_void:
        ids = np.where((ids == 0) | (ids == IGNORE_INDEX), IGNORE_INDEX, ids - 1)
    bad = (ids != IGNORE_INDEX) & ((ids < 0) | (ids >= num_classes))
    if bad.any():
        row, column = np.argwhere(bad)[0]
        raise ValueError(
            f'has the class id {ids[row, column]} at row {row}, column {column}, but there are '
            f'{num_classes} classes (0 .. {num_classes - 1}, 255 = ignore). Use the archive that '
            'belongs to this data set, or mark those pixels 255'
        )
    return ids.astype(np.uint8)


def read_binary_picture(path: str | Path) -> NDArray[np.float32]:
    """Read a 0 / 255 picture as ``(H, W)`` float32 0 / 1; values above the middle count as 1."""
    return (read_gray(path) > 127).astype(np.float32)


def read_binary_array(path: str | Path) -> NDArray[np.float32]:
    """Read a 0 / 1 ``.npy`` array as ``(H, W)`` float32; values from 0.5 on count as 1."""
    return (read_array(path, ndim=2) >= 0.5).astype(np.float32)


def read_depth_array(path: str | Path) -> NDArray[np.float32]:
    """Read metric depth from a ``.npy`` array.

    Negative and non-finite values become 0 = no measurement. Non-finite values, and a median that
    only another unit explains, cause a warning that names the first such file.

    Returns:
        ``(H, W)`` float32 metres.
    """
    depth = read_array(path, ndim=2).astype(np.float32)
    finite = np.isfinite(depth)
    if not finite.all():
        warn_first(
            'depth that is not finite',
            f'depth label {path}: {np.count_nonzero(~finite)} values are NaN or infinite; they '
            'count as "no measurement", here and in other files. Store 0 there to silence this.',
        )
    depth = np.where(finite & (depth > 0), depth, np.float32(0))
    median = _median(depth)
    if median > PLAUSIBLE_DEPTH[1]:
        warn_first(
            'depth in millimetres',
            f'depth label {path}: the median depth is {median:.0f} m, which is implausible. Depth '
            'must be in metres: divide the files by 1000 if they are in millimetres. Other files '
            'are not reported; the check of the archive lists them (docs/datasets.md).',
        )
    return depth


def read_stored_depth(
    path: str | Path, *, units_per_metre: float | None = None
) -> NDArray[np.float32]:
    """Read metric depth from a picture; 0 is no measurement.

    Args:
        path: A single-channel picture.
        units_per_metre: Stored values per metre. None: of 16 bits 1000, of 8 bits 25.5, as in the
            public copy of NYUv2's videos, where 255 is 10 m.

    Returns:
        ``(H, W)`` float32 metres.
    """
    stored = read_gray(path)
    if units_per_metre is None:
        units_per_metre = 25.5 if stored.dtype == np.uint8 else 1000.0
    return stored.astype(np.float32) / np.float32(units_per_metre)


def check_depth_unit(path: str | Path, read: Callable[[str], NDArray]) -> None:
    """Read one depth map, to find a wrong ``units_per_metre`` before any work.

    Raises:
        ValueError: Its median is implausible.
    """
    try:
        depth = read(str(path))
    except ValueError:  # one damaged file; reported when its turn comes
        return
    median = _median(depth)
    low, high = PLAUSIBLE_DEPTH
    if not (low <= median <= high or median == 0):
        raise ValueError(
            f'{path}: the median depth is {median:.3g} m, which is implausible: units_per_metre '
            'must be the number of stored values per metre (1000 if they are millimetres)'
        )


def _median(depth: NDArray) -> float:
    """Compute the median of what is measured; 0 if nothing is."""
    measured = depth[depth > 0]
    return float(np.median(measured)) if measured.size else 0.0


def read_normals_picture(path: str | Path) -> NDArray[np.float32]:
    """Read normals stored as ``n = 2 v / 255 - 1`` in an RGB picture.

    The vectors keep the rounding of 8 bits: their length is 1 within about 1 %. No pixel can decode
    to the zero vector, so every pixel is valid.

    Returns:
        ``(H, W, 3)`` float32.
    """
    stored = read_picture(path, upright=False).astype(np.float32)
    return np.float32(2) * stored / np.float32(255) - np.float32(1)


def read_normals_array(path: str | Path) -> NDArray[np.float32]:
    """Read normals from a ``.npy`` array; zero vectors are invalid.

    Vectors with a non-finite component become zero, with a warning that names the first such file.

    Returns:
        ``(H, W, 3)`` float32.

    Raises:
        ValueError: The last axis is not 3, or the vectors are far from unit length.
    """
    normals = read_array(path, ndim=3).astype(np.float32)
    if normals.shape[-1] != 3:
        raise ValueError(f'has shape {normals.shape} where (H, W, 3) is expected')
    finite = np.isfinite(normals).all(axis=-1, keepdims=True)
    if not finite.all():
        warn_first(
            'normals that are not finite',
            f'normals label {path}: {np.count_nonzero(~finite)} vectors are NaN or infinite; they '
            'count as invalid, here and in other files. Store zero vectors there to silence this.',
        )
        normals = np.where(finite, normals, np.float32(0))
    length = np.linalg.norm(normals, axis=-1)
    valid = length > 0
    if valid.any() and not 0.5 < np.median(length[valid]) < 1.5:
        raise ValueError(
            f'has vectors of median length {np.median(length[valid]):.3g} where unit vectors are '
            'expected. Components must lie in [-1, 1]'
        )
    return normals
