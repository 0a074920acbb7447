"""A model from its config and checkpoint, and its predictions for images of any size."""

import copy
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, overload

import cv2
import numpy as np
import torch
from mmengine.config import Config
from mmengine.dataset import pseudo_collate
from mmengine.logging import print_log
from mmengine.registry import init_default_scope
from torch import Tensor

from mtl3d.apis.checkpoint import REGULARIZER, check_state_dict, load_weights
from mtl3d.apis.configuration import load_config
from mtl3d.models.multi_task_model import MultiTaskModel, Outputs
from mtl3d.registry import DATASETS, MODELS
from mtl3d.structures import MultiTaskDataSample
from mtl3d.utils.image_io import read_picture
from mtl3d.utils.weights import without_pretrained

ImageLike = np.ndarray | str | Path

#: An image that leaves at most this part of the input's side empty is not resampled.
KEEP_SCALE = 1.25


def init_model(
    config: str | Path | Config,
    checkpoint: str | Path | None = None,
    device: str | torch.device = 'cpu',
    cfg_options: Mapping[str, Any] | None = None,
) -> MultiTaskModel:
    """Build a model for inference.

    Of a checkpoint that was trained with EMA the averaged weights are taken: MMEngine stores them
    as ``state_dict``.

    Args:
        config: A config file, or the loaded config.
        checkpoint: A training checkpoint or a bare state dict; None keeps the initial weights. The
            regularizer's weights may be missing, then the model comes without a regularizer.
        device: Where the model goes.
        cfg_options: Dotted key -> value, merged into the config.

    Returns:
        The model in evaluation mode, with the attributes ``cfg`` and ``dataset_meta`` (``classes``
        and ``palette`` of the config's test set).

    Raises:
        FileNotFoundError: The config or the checkpoint does not exist.
        ValueError: The config holds no model, the checkpoint is damaged or belongs to another
            model, or there is no such device.
    """
    check_device(device)
    if isinstance(config, Config):
        cfg = copy.deepcopy(config)  # the caller's stays as it is
        cfg.merge_from_dict(dict(cfg_options or {}))
    else:
        cfg = load_config(config, cfg_options)
    if 'model' not in cfg:
        raise ValueError(f"the config {cfg.filename or ''} has no 'model'")
    init_default_scope('mtl3d')
    state = None if checkpoint is None else load_weights(checkpoint)
    if state is not None:
        cfg.model = without_pretrained(cfg.model.to_dict())

    model = MODELS.build(cfg.model)
    if state is not None:
        fill(model, state, str(checkpoint))
    model.cfg = cfg
    model.dataset_meta = dataset_meta(cfg)
    return model.to(device).eval()


def check_device(device: str | torch.device) -> None:
    """Refuse a device that is not there, before a model is built for it.

    Raises:
        ValueError: Torch cannot put a tensor on it.
    """
    try:
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:  # asserted by a build of torch without CUDA
        reason = str(error).splitlines()[0]
        raise ValueError(f"device='{device}' cannot be used: {reason}") from error


def fill(model: MultiTaskModel, state: Mapping[str, Tensor], source: str) -> None:
    """Load weights into a model; only the regularizer may be missing or superfluous.

    Args:
        model: Changed in place; its ``regularizer`` becomes None if the weights have none.
        state: Key -> tensor.
        source: Where the weights come from, for the message.

    Raises:
        ValueError: Keys or shapes do not fit.
    """
    has_regularizer = any(key.startswith(REGULARIZER) for key in state)
    if model.regularizer is not None and not has_regularizer:
        print_log(f'{source} has no regularizer: predictions come from the heads', 'current')
        model.regularizer, model.outputs = None, 'heads'
    if model.regularizer is None:
        state = {key: value for key, value in state.items() if not key.startswith(REGULARIZER)}
    check_state_dict(model, state, source=source)
    model.load_state_dict(state)


def dataset_meta(cfg: Config) -> dict[str, Any]:
    """Look up ``classes`` and ``palette`` of the config's test set, without reading any data."""
    dataset = cfg.get('test_dataloader', {}).get('dataset', {})
    found = DATASETS.get(dataset['type']) if 'type' in dataset else None
    return {**getattr(found, 'METAINFO', {}), **dataset.get('metainfo', {})}


@overload
def inference_model(
    model: MultiTaskModel, images: ImageLike, *, outputs: Outputs | None = None
) -> MultiTaskDataSample: ...


@overload
def inference_model(
    model: MultiTaskModel, images: Sequence[ImageLike], *, outputs: Outputs | None = None
) -> list[MultiTaskDataSample]: ...


@torch.no_grad()
def inference_model(
    model: MultiTaskModel,
    images: ImageLike | Sequence[ImageLike],
    *,
    outputs: Outputs | None = None,
) -> MultiTaskDataSample | list[MultiTaskDataSample]:
    """Predict every task of one or several images, each at its own size.

    An image is scaled to the model's input size with its aspect ratio kept, unless it fits nearly
    as it is, and padded; the predictions are cut and scaled back. Metric depth is meaningful for
    images of a camera like the training set's.

    Args:
        model: From :func:`init_model`, in evaluation mode.
        images: A file or an ``(H, W, 3)`` uint8 RGB array, or a list of them, which is predicted as
            one batch.
        outputs: As for ``MultiTaskModel.predict``.

    Returns:
        One sample per image with ``pred``; a single sample for a single image.

    Raises:
        FileNotFoundError: An image does not exist.
        ValueError: A file is not an image, or an array is not uint8 RGB.
    """
    single = isinstance(images, (np.ndarray, str, Path))
    batch: Sequence[ImageLike] = [images] if single else images  # type: ignore[assignment, list-item]
    if len(batch) == 0:
        return []
    size = getattr(model.data_preprocessor, 'size', None)
    data = pseudo_collate([prepare_image(image, size, i) for i, image in enumerate(batch)])
    data = model.data_preprocessor(data, False)
    samples = model.predict(data['inputs'], data['data_samples'], outputs=outputs)
    return samples[0] if single else samples


def prepare_image(image: ImageLike, size: tuple[int, int] | None, index: int = 0) -> dict[str, Any]:
    """Turn an image into a data set item without labels.

    Args:
        image: A file or an ``(H, W, 3)`` uint8 RGB array.
        size: The model's (H, W); None leaves the image as it is.
        index: The image id of an array.

    Returns:
        ``inputs``, ``(3, h, w)`` uint8 that fits ``size``, and ``data_samples``, whose
        ``ori_shape`` is the image's own size.

    Raises:
        FileNotFoundError: The file does not exist.
        ValueError: It is not an image, or the array is not uint8 RGB.
    """
    if isinstance(image, np.ndarray):
        array, img_id, path = image, str(index), None
    else:
        array, img_id, path = read_picture(image), Path(image).stem, str(image)
    if array.dtype != np.uint8 or array.ndim != 3 or array.shape[2] != 3 or array.size == 0:
        raise ValueError(f'image: expected (H, W, 3) uint8 RGB, got {array.shape} {array.dtype}')
    height, width = array.shape[:2]
    resized = resize_to_fit(array, size) if size else array
    sample = MultiTaskDataSample(
        metainfo=dict(
            img_id=img_id,
            img_path=path,
            ori_shape=(height, width),
            img_shape=tuple(resized.shape[:2]),
        )
    )
    inputs = torch.from_numpy(np.ascontiguousarray(resized.transpose(2, 0, 1)))
    return dict(inputs=inputs, data_samples=sample)


def resize_to_fit(image: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Scale an image to the largest that fits, with its aspect ratio kept.

    An image that fits and would grow by at most a quarter stays as it is, so that a data set's own
    test image is predicted exactly as by ``tools/test.py``.

    Args:
        image: ``(H, W, 3)`` uint8.
        size: (H, W) to fit into.

    Returns:
        ``(h, w, 3)`` uint8 with ``h <= H`` and ``w <= W`` of ``size``.
    """
    height, width = image.shape[:2]
    scale = min(size[0] / height, size[1] / width)
    if 1 <= scale <= KEEP_SCALE:
        return image
    target = (
        max(1, min(size[1], round(width * scale))),
        max(1, min(size[0], round(height * scale))),
    )
    method = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    return cv2.resize(image, target, interpolation=method)
