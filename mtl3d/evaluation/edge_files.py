"""Boundary predictions and labels from files, with errors that name the file."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy.io import loadmat, whosmat

from mtl3d.evaluation.functional.segmentation import IGNORE_INDEX

#: Endings of files that hold a label: label maps of PASCAL-Context, pictures, arrays.
LABEL_SUFFIXES = ('.mat', '.png', '.npy')
LOSSY_SUFFIXES = ('.jpg', '.jpeg')


def prediction_shape(path: str | Path) -> tuple[int, int]:
    """Check the kind of a prediction's file by its head, without decoding it.

    Args:
        path: A PNG file of 8 bits and one channel.

    Returns:
        ``(H, W)``.

    Raises:
        ValueError: It is another kind of picture, or none.
    """
    try:
        with Image.open(path) as image:
            kind, mode, (width, height) = image.format, image.mode, image.size
    except (OSError, SyntaxError) as error:
        raise ValueError(f'{path} is not a picture, or it is damaged ({error})') from error
    if kind != 'PNG':
        raise ValueError(f'{path} is a {kind} file; predictions must be PNG, which is lossless')
    if mode != 'L':
        raise ValueError(
            f'{path}: predictions must have 8 bits and one channel, that is values 0 .. 255 of '
            f"mode 'L'; its mode is '{mode}'"
        )
    return height, width


def read_prediction(path: str | Path) -> NDArray[np.uint8]:
    """Read a boundary map that was saved as a picture of grey values ``floor(255 p)``.

    Args:
        path: See :func:`prediction_shape`.

    Returns:
        ``(H, W)`` uint8.

    Raises:
        ValueError: It is another kind of picture, or damaged.
    """
    prediction_shape(path)
    try:
        with Image.open(path) as image:
            return np.array(image)
    except (OSError, SyntaxError) as error:  # Pillow reports a broken PNG chunk as a SyntaxError
        raise ValueError(f'{path} is damaged ({error})') from error


def label_shape(path: str | Path) -> tuple[int, ...]:
    """Read the shape of a label by the file's head.

    Raises:
        ValueError: The file is damaged, or holds something else.
    """
    path = Path(path)
    try:
        if path.suffix == '.mat':
            return next(shape for name, shape, _ in whosmat(path) if name == 'LabelMap')
        if path.suffix == '.npy':
            array = np.load(path, mmap_mode='r', allow_pickle=False)
            return tuple(size for size in array.shape if size != 1)
        with Image.open(path) as image:
            return image.size[::-1]
    except StopIteration:
        raise ValueError(f"{path} has no variable 'LabelMap'") from None
    # A broken file raises what its format's library likes, from zlib.error to SyntaxError.
    except Exception as error:
        raise ValueError(f'{path} cannot be read as a label: {error}') from error


def read_label(path: str | Path) -> NDArray:
    """Read an edge image or a label map.

    Args:
        path: ``.mat`` with a variable ``LabelMap``, a picture of one channel, or ``.npy``.

    Returns:
        ``(H, W)`` integers or bools.

    Raises:
        ValueError: The file is damaged, or holds something else.
    """
    path = Path(path)
    try:
        if path.suffix == '.mat':
            label = loadmat(path, variable_names=['LabelMap']).get('LabelMap')
            if label is None:
                raise ValueError("it has no variable 'LabelMap'")
        elif path.suffix == '.npy':
            label = np.load(path, allow_pickle=False).squeeze()
        else:
            with Image.open(path) as image:
                label = np.array(image)
    # A broken file raises what its format's library likes, from zlib.error to SyntaxError.
    except Exception as error:
        raise ValueError(f'{path} cannot be read as a label: {error}') from error
    if label.dtype.kind == 'f' and np.array_equal(label, label.astype(np.int64)):
        label = label.astype(np.int64)
    if label.ndim != 2 or label.size == 0 or label.dtype.kind not in 'iub':
        raise ValueError(
            f'{path}: a label must be (H, W) integers, got shape {label.shape} of {label.dtype}'
        )
    return label


def is_unlabelled(label: NDArray) -> bool:
    """Tell whether every pixel is marked as ignored."""
    return bool(np.all(label == IGNORE_INDEX))


def list_predictions(folder: str | Path) -> dict[str, Path]:
    """List the PNG files of a folder by image id (the file name without its ending).

    Raises:
        NotADirectoryError: There is no such folder.
        ValueError: It holds JPEG files, or no PNG file.
    """
    files = _list_files(folder)
    lossy = [path for path in files if path.suffix.lower() in LOSSY_SUFFIXES]
    if lossy:
        raise ValueError(
            f'{folder} holds {len(lossy)} JPEG files, for example {lossy[0].name}. JPEG is lossy: '
            'the grey values are no longer those of the model. Save the predictions as PNG.'
        )
    found = {path.stem: path for path in files if path.suffix.lower() == '.png'}
    if not found:
        raise ValueError(f'{folder} holds no PNG file')
    return found


def list_labels(folder: str | Path) -> dict[str, Path]:
    """List the label files of a folder by image id.

    Raises:
        NotADirectoryError: There is no such folder.
        ValueError: It holds no label file, or two for one image.
    """
    found: dict[str, Path] = {}
    for path in _list_files(folder):
        if path.suffix.lower() not in LABEL_SUFFIXES:
            continue
        if path.stem in found:
            raise ValueError(f'{folder} holds {path.name} and {found[path.stem].name}: which one?')
        found[path.stem] = path
    if not found:
        raise ValueError(f'{folder} holds no {" or ".join(LABEL_SUFFIXES)} file')
    return found


def _list_files(folder: str | Path) -> list[Path]:
    folder = Path(folder)
    if not folder.is_dir():
        raise NotADirectoryError(f'no such folder: {folder}')
    return sorted(path for path in folder.iterdir() if path.is_file())


def read_image_list(path: str | Path) -> frozenset[str]:
    """Read image ids, one per line.

    Raises:
        FileNotFoundError: The file does not exist.
        ValueError: It holds no id.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f'no such image list: {path}')
    ids = frozenset(line.strip() for line in path.read_text().splitlines() if line.strip())
    if not ids:
        raise ValueError(f'the image list {path} is empty')
    return ids


def check_same_images(
    predictions: Mapping[str, Path], labels: Mapping[str, Path], image_ids: frozenset[str] | None
) -> list[str]:
    """Decide which images are scored.

    Args:
        predictions: Image id -> file.
        labels: Image id -> file.
        image_ids: The images to score, all of which must have both files; further files are then
            allowed. None for all files, which must correspond one to one.

    Returns:
        The image ids, sorted.

    Raises:
        ValueError: Images are missing, or there are too many.
    """
    wanted = image_ids if image_ids is not None else frozenset(predictions) | frozenset(labels)
    for kind, files in (('prediction', predictions), ('ground truth', labels)):
        missing = sorted(wanted - frozenset(files))
        if missing:
            hint = '' if image_ids is not None else '. Give --image-list to score a part of them'
            raise ValueError(
                f"{len(missing)} of {len(wanted)} images have no {kind}, for example '{missing[0]}'"
                + hint
            )
    return sorted(wanted)
