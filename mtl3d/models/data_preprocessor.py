"""From a list of samples to a normalised, padded batch on the device."""

from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from mmengine.model import BaseDataPreprocessor
from mmengine.structures import PixelData
from torch import Tensor

from mtl3d.registry import MODELS
from mtl3d.structures import LABEL_SPECS, MultiTaskDataSample


@MODELS.register_module()
class MultiTaskDataPreprocessor(BaseDataPreprocessor):
    """Normalise and pad images; in training pad labels and cameras along, also of second views.

    Padding is centred (the odd pixel goes to the bottom and the right) and follows normalisation,
    so the padding has the mean colour, as in the published recipes of ATRC and InvPT. Labels are
    padded with their "no label" value.

    Args:
        mean: Per-channel mean of the RGB input, in 0..255.
        std: Per-channel standard deviation of the RGB input, in 0..255.
        size: (H, W) to pad to; larger images are refused. None pads to the batch's largest image.
        size_divisor: With ``size=None``, round the padded size up to a multiple of this.
        non_blocking: Copy to the device asynchronously.

    Raises:
        ValueError: When called: an image, or in training a second view, is larger than ``size``.
    """

    mean: Tensor
    std: Tensor

    def __init__(
        self,
        *,
        mean: Sequence[float] = (123.675, 116.28, 103.53),
        std: Sequence[float] = (58.395, 57.12, 57.375),
        size: tuple[int, int] | None = None,
        size_divisor: int = 1,
        non_blocking: bool = False,
    ) -> None:
        super().__init__(non_blocking=non_blocking)
        self.register_buffer('mean', torch.tensor(mean).view(-1, 1, 1), persistent=False)
        self.register_buffer('std', torch.tensor(std).view(-1, 1, 1), persistent=False)
        self.size = None if size is None else (int(size[0]), int(size[1]))
        self.size_divisor = size_divisor

    def forward(self, data: dict, training: bool = False) -> dict:
        """Make the model's input.

        Args:
            data: ``inputs``, a list of uint8 or float ``(3, H, W)`` RGB tensors in 0..255 (or one
                stacked tensor), and ``data_samples``, a list of samples or None.
            training: Pad the labels and second views to the size of the batch.

        Returns:
            ``inputs`` as ``(N, 3, H', W')`` float32 and ``data_samples``, whose metainfo tells
            ``padding`` and ``batch_input_shape``.
        """
        data = self.cast_data(data)
        images = [self._normalize(image) for image in data['inputs']]
        samples = data.get('data_samples')
        seconds = [s.second for s in samples or () if 'second' in s] if training else []
        target = self._target_size(
            [tuple(image.shape[-2:]) for image in images] + [s.img_shape for s in seconds]
        )
        paddings = [centred_padding(image.shape[-2:], target) for image in images]
        inputs = torch.stack(
            [padded(image, pad) for image, pad in zip(images, paddings, strict=True)]
        )
        if samples is not None:
            for sample, pad in zip(samples, paddings, strict=True):
                sample.set_metainfo(dict(padding=pad, batch_input_shape=target))
                if training:
                    pad_labels(sample, pad)
                    pad_camera(sample, pad)
        for second in seconds:
            pad = centred_padding(second.img_shape, target)
            pad_labels(second, pad)
            pad_camera(second, pad)
            if 'image' in second:
                second.image = padded(self._normalize(second.image), pad)
        return dict(inputs=inputs, data_samples=samples)

    def _normalize(self, image: Tensor) -> Tensor:
        return (image.float() - self.mean) / self.std

    def _target_size(self, sizes: Sequence[Sequence[int]]) -> tuple[int, int]:
        height = max(size[0] for size in sizes)
        width = max(size[1] for size in sizes)
        if self.size is None:
            divisor = self.size_divisor
            return -(-height // divisor) * divisor, -(-width // divisor) * divisor
        if height > self.size[0] or width > self.size[1]:
            raise ValueError(
                f'An image of {height} x {width} does not fit the model input of '
                f'{self.size[0]} x {self.size[1]} (data_preprocessor.size). Crop or resize it in '
                'the pipeline, or enlarge the size.'
            )
        return self.size


def centred_padding(size: Sequence[int], target: Sequence[int]) -> tuple[int, int, int, int]:
    """Compute the padding (left, top, right, bottom) that centres ``size`` in ``target``."""
    rows, columns = target[0] - size[0], target[1] - size[1]
    top, left = rows // 2, columns // 2
    return left, top, columns - left, rows - top


def padded(maps: Tensor, padding: tuple[int, int, int, int], value: float = 0) -> Tensor:
    """Pad ``(..., H, W)`` maps by (left, top, right, bottom) pixels of a value."""
    left, top, right, bottom = padding
    return F.pad(maps, (left, right, top, bottom), value=value)


def pad_labels(sample: MultiTaskDataSample, padding: tuple[int, int, int, int]) -> None:
    """Pad a sample's labels in place of the old ones, with each task's "no label" value.

    Args:
        sample: Its ``gt`` is replaced.
        padding: (left, top, right, bottom) in pixels.
    """
    left, top, right, bottom = padding
    if not any(padding):
        return
    sample.gt = PixelData(
        **{
            name: F.pad(label, (left, right, top, bottom), value=LABEL_SPECS[name].invalid_value)
            for name, label in sample.gt.items()
        }
    )


def pad_camera(sample: MultiTaskDataSample, padding: tuple[int, int, int, int]) -> None:
    """Move a sample's principal point along with the padded picture.

    Args:
        sample: Its ``intrinsics``, if there are any, are replaced.
        padding: (left, top, right, bottom) in pixels.
    """
    if 'intrinsics' in sample:
        left, top, _, _ = padding
        moved = np.array(sample.intrinsics, dtype=np.float64)
        moved[:2, 2] += left, top
        sample.set_metainfo(dict(intrinsics=moved))
