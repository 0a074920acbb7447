"""Image files in and out, with errors that name the file."""

from pathlib import Path

import cv2
import numpy as np

#: File name endings that are taken for images when a folder is read.
IMAGE_SUFFIXES = ('.png', '.jpg', '.jpeg', '.bmp', '.webp', '.tif', '.tiff', '.ppm')


def read_rgb(path: str | Path) -> np.ndarray:
    """Read an image file as 8-bit RGB.

    Args:
        path: A file that OpenCV reads; grey images are replicated, alpha is dropped.

    Returns:
        ``(H, W, 3)`` uint8.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: The file is not an image, or a damaged one.
    """
    return cv2.cvtColor(_read(path, cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB)


def read_raw(path: str | Path) -> np.ndarray:
    """Read an image file as it is stored: its own bit depth, colour as RGB.

    Args:
        path: A file that OpenCV reads.

    Returns:
        ``(H, W)`` or ``(H, W, 3)``, uint8 or uint16.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: The file is not an image, or a damaged one.
    """
    array = _read(path, cv2.IMREAD_UNCHANGED)
    return cv2.cvtColor(array, cv2.COLOR_BGR2RGB) if array.ndim == 3 else array


def write_png(path: str | Path, array: np.ndarray) -> None:
    """Write a PNG file, and the folders above it.

    Args:
        path: Where to; its name ends in ``.png``.
        array: ``(H, W)`` uint8 or uint16, or ``(H, W, 3)`` RGB of these types.

    Raises:
        OSError: The file could not be written.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    stored = cv2.cvtColor(array, cv2.COLOR_RGB2BGR) if array.ndim == 3 else array
    if not cv2.imwrite(str(path), stored):
        raise OSError(f'cannot write {path}')


def _read(path: str | Path, flags: int) -> np.ndarray:
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f'no such image file: {path}')
    array = cv2.imread(str(path), flags)
    if array is None:
        raise ValueError(f'{path} is not an image, or it is damaged')
    return array
