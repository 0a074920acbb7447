"""Predictions on disk, in the file formats by which the published methods were scored.

Class ids are always 8-bit PNG files ``<task>/<img_id>.png``. Everything else has two formats:

============== ================================================= ==================
task           ``png``, the exchange format                      ``npy``, lossless
============== ================================================= ==================
edge, saliency ``255 p`` truncated to 8 bit (as SEISM reads it)  float32 in [0, 1]
normals        ``255 (n + 1) / 2`` truncated to 8 bit, RGB       float32
depth          millimetres, 16 bit, at most 65.535 m             float32, metres
============== ================================================= ==================
"""

from pathlib import Path
from typing import Literal

import numpy as np
import torch
from mmengine.structures import PixelData
from torch import Tensor

from mtl3d.structures import LABEL_SPECS, LabelSpec, MultiTaskDataSample
from mtl3d.utils.image_io import read_stored, write_png

Storage = Literal['png', 'npy']
MAX_MILLIMETRES = 65535
SUFFIXES = ('.npy', '.png')


#: Whose predictions: name of the sub-folder -> where a sample keeps them.
OUTPUT_FOLDERS = {'heads': 'pred', 'regularizer': 'pred_regularizer', 'average': 'pred_average'}


def write_outputs(
    sample: MultiTaskDataSample, folder: str | Path, *, storage: Storage = 'png'
) -> None:
    """Write everything that was predicted of one image.

    Args:
        sample: With ``img_id`` and ``pred``, and perhaps ``pred_regularizer`` and ``pred_average``.
        folder: Files go to ``<folder>/heads/<task>/``, ``regularizer/`` and ``average/``.
        storage: See :func:`write_predictions`.

    Raises:
        ValueError: See :func:`write_predictions`.
        OSError: A file could not be written.
    """
    for name, field in OUTPUT_FOLDERS.items():
        if field in sample:
            write_predictions(sample, Path(folder) / name, field=field, storage=storage)


def write_predictions(
    sample: MultiTaskDataSample,
    folder: str | Path,
    *,
    field: str = 'pred',
    storage: Storage = 'png',
) -> list[Path]:
    """Write one image's predictions, one file per task.

    Args:
        sample: With ``img_id`` and predictions.
        folder: Files go to ``<folder>/<task>/<img_id>.png`` or ``.npy``; older ones are replaced.
        field: Which predictions: ``pred``, ``pred_regularizer`` or ``pred_average``.
        storage: ``png``, the exchange format, which rounds, or ``npy``, which does not.

    Returns:
        The files, in the order of the tasks.

    Raises:
        ValueError: The sample lacks ``img_id`` or the field, the id is not a relative path, or
            ``storage`` is unknown.
        OSError: A file could not be written.
    """
    if storage not in ('png', 'npy'):
        raise ValueError(f"storage='{storage}': valid are 'png', 'npy'")
    if 'img_id' not in sample or field not in sample:
        raise ValueError(f"the sample has no '{'img_id' if field in sample else field}'")
    paths = []
    for task, prediction in sample.get(field).items():
        array = prediction.detach().cpu().numpy()
        spec = LABEL_SPECS[task]
        if spec.kind == 'class' or (storage == 'png' and has_exchange_format(spec)):
            path = prediction_path(folder, task, sample.get('img_id'), '.png')
            write_png(path, encode(array, spec))
        else:
            path = prediction_path(folder, task, sample.get('img_id'), '.npy')
            path.parent.mkdir(parents=True, exist_ok=True)
            np.save(path, array.astype(np.float32))
        paths.append(path)
    return paths


def read_predictions(folder: str | Path, img_id: str, *, stored: bool = False) -> PixelData:
    """Read back what :func:`write_predictions` wrote.

    Args:
        folder: The folder that holds one sub-folder per task.
        img_id: The image.
        stored: Leave the 8 bits of normals, edge and saliency as they are, uint8; the metrics know
            how each protocol reads them. Otherwise they become float32 in the layout of a
            prediction.

    Returns:
        One ``(c, H, W)`` field per task that has a file for this image.

    Raises:
        FileNotFoundError: ``folder`` does not exist.
        ValueError: A file does not have the format of its task, or the tasks differ in size.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise FileNotFoundError(f'no such folder of predictions: {folder}')
    fields = {}
    for task, spec in LABEL_SPECS.items():
        for suffix in SUFFIXES:
            path = prediction_path(folder, task, img_id, suffix)
            if path.is_file():
                fields[task] = _read(path, spec, stored)
                break
    sizes = {task: tuple(field.shape[-2:]) for task, field in fields.items()}
    if len(set(sizes.values())) > 1:
        raise ValueError(f"predictions of '{img_id}' in {folder} differ in size: {sizes}")
    return PixelData(**fields)


def prediction_files(folder: str | Path) -> dict[str, set[str]]:
    """List what a folder of predictions holds.

    Args:
        folder: The folder that holds one sub-folder per task.

    Returns:
        Task -> ids of its images; tasks without any file are left out.

    Raises:
        FileNotFoundError: ``folder`` does not exist.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise FileNotFoundError(f'no such folder of predictions: {folder}')
    found = {
        task: {
            path.relative_to(folder / task).as_posix().removesuffix(path.suffix)
            for path in (folder / task).rglob('*')
            if path.suffix in SUFFIXES
        }
        for task in LABEL_SPECS
    }
    return {task: ids for task, ids in found.items() if ids}


def prediction_path(folder: str | Path, task: str, img_id: str, suffix: str) -> Path:
    """Name one prediction's file.

    Raises:
        ValueError: The id would lead out of the folder.
    """
    relative = Path(f'{img_id}{suffix}')
    if relative.is_absolute() or '..' in relative.parts:
        raise ValueError(f"img_id='{img_id}' is not a relative path")
    return Path(folder) / task / relative


def has_exchange_format(spec: LabelSpec) -> bool:
    """Tell whether a task's predictions can be stored as PNG; a project's own may not."""
    return spec.kind != 'continuous' or spec.is_direction or spec.is_distance


def encode(prediction: np.ndarray, spec: LabelSpec) -> np.ndarray:
    """Turn a prediction into the pixels of its PNG file.

    Args:
        prediction: ``(c, H, W)`` class ids, probabilities, unit vectors, or metres.
        spec: The task's row of :data:`mtl3d.structures.LABEL_SPECS`.

    Returns:
        ``(H, W)`` uint8 or, for distances, uint16; ``(H, W, 3)`` uint8 for directions.
    """
    if spec.kind == 'class':
        return prediction[0].astype(np.uint8)
    if spec.kind == 'binary':
        return (np.clip(prediction[0], 0, 1) * 255).astype(np.uint8)
    if spec.is_direction:
        return (np.clip((prediction.transpose(1, 2, 0) + 1) / 2, 0, 1) * 255).astype(np.uint8)
    return np.rint(np.clip(prediction[0] * 1000, 0, MAX_MILLIMETRES)).astype(np.uint16)


def decode(pixels: np.ndarray, spec: LabelSpec) -> np.ndarray:
    """Turn the pixels of a PNG file back into a prediction; see :func:`encode`."""
    if spec.kind == 'class':
        return pixels[None].astype(np.int64)
    if spec.kind == 'binary':
        return pixels[None].astype(np.float32) / 255
    if spec.is_direction:
        normals = pixels.transpose(2, 0, 1).astype(np.float32) / 127.5 - 1
        return normals / np.maximum(np.linalg.norm(normals, axis=0), 1e-12)
    return pixels[None].astype(np.float32) / 1000


def _read(path: Path, spec: LabelSpec, stored: bool) -> Tensor:
    if path.suffix == '.npy':
        array = np.load(path, allow_pickle=False)
        good = array.ndim == 3 and len(array) == spec.channels and array.dtype == np.float32
    else:
        array = read_stored(path)
        good = array.dtype == (np.uint16 if spec.is_distance else np.uint8)
        good = good and array.ndim == (3 if spec.is_direction else 2)
        if good and stored and array.dtype == np.uint8 and spec.kind != 'class':
            array = array.transpose(2, 0, 1) if spec.is_direction else array[None]
        elif good:
            array = decode(array, spec)
    if not good:
        raise ValueError(f'{path}: {array.shape} {array.dtype} is not the format of this task')
    return torch.from_numpy(np.ascontiguousarray(array))
