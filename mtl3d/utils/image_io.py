"""Image files in and out, with errors that name the file."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

#: File name endings that are taken for images when a folder is read.
IMAGE_SUFFIXES = ('.png', '.jpg', '.jpeg', '.bmp', '.webp', '.tif', '.tiff', '.ppm')


def read_picture(path: str | Path, *, upright: bool = True) -> np.ndarray:
    """Read a photograph as 8-bit RGB.

    Args:
        path: Any file that Pillow reads; grey is replicated, alpha is dropped, and of 16 bits the
            upper 8 are taken.
        upright: Turn it as its EXIF entry says. Not for pictures with labels, which know no EXIF.

    Returns:
        ``(H, W, 3)`` uint8.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: The file is not an image, it is truncated, or its values have no known range.
    """
    turn = ImageOps.exif_transpose if upright else lambda image: image
    return _read(path, lambda image: _to_rgb(turn(image)))


def read_stored(path: str | Path) -> np.ndarray:
    """Read an image file as it is stored.

    Args:
        path: Any file that Pillow reads.

    Returns:
        ``(H, W)`` or ``(H, W, channels)``, uint8 or uint16; of a palette image, the indices.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: The file is not an image, or it is truncated.
    """
    return _read(path, lambda image: image)


def write_png(path: str | Path, array: np.ndarray) -> None:
    """Write a PNG file, and the folders above it.

    Args:
        path: Where to; an older file is replaced.
        array: ``(H, W)`` uint8 or uint16, or ``(H, W, 3)`` uint8 RGB.

    Raises:
        OSError: The file could not be written.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(array).save(path, format='PNG', compress_level=3)


def _to_rgb(image: Image.Image) -> Image.Image:
    if image.mode.startswith('I;16'):  # convert() would cut off at 255, and show white
        image = Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
    elif image.mode in ('I', 'F'):
        raise ValueError(f'it has more than 8 bits, mode {image.mode}: store 8-bit RGB')
    return image.convert('RGB')


def _read(path: str | Path, convert: Callable[[Image.Image], Image.Image]) -> np.ndarray:
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f'no such image file: {path}')
    try:
        with Image.open(path) as image:
            return np.array(convert(image))
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        # Of a broken header Pillow raises any of these.
        raise ValueError(
            f'{path} is not an image, or it is damaged ({error}): extract or download it again'
        ) from error
