"""The last transform: from arrays to what the model takes."""

from collections.abc import Sequence

import numpy as np
import torch
from mmcv.transforms import BaseTransform
from mmengine.structures import PixelData
from numpy.typing import NDArray
from torch import Tensor

from mtl3d.datasets.transforms.fields import Results
from mtl3d.registry import TRANSFORMS
from mtl3d.structures import LABEL_SPECS, MultiTaskDataSample

META_KEYS = (
    'img_id',
    'img_path',
    'ori_shape',
    'img_shape',
    'scale_factor',
    'flip',
    'intrinsics',
    'pose',
)


def to_tensor(array: NDArray) -> Tensor:
    """Turn an ``(H, W)`` or ``(H, W, C)`` array into a ``(C, H, W)`` tensor of its own memory."""
    if array.ndim == 2:
        array = array[..., None]
    return torch.from_numpy(np.array(array.transpose(2, 0, 1), order='C'))


@TRANSFORMS.register_module()
class PackMultiTaskInputs(BaseTransform):
    """Make ``dict(inputs, data_samples)``.

    Args:
        meta_keys: Which entries go to the sample's metainfo, where they are present.

    Shape:
        ``inputs``: ``(3, H, W)`` RGB in 0..255, uint8 or float32. ``data_samples.gt``: one field
        per task that has a label, in the layout of :data:`~mtl3d.structures.LABEL_SPECS`.
    """

    def __init__(self, *, meta_keys: Sequence[str] = META_KEYS) -> None:
        self.meta_keys = tuple(meta_keys)

    def transform(self, results: Results) -> Results:
        sample = MultiTaskDataSample(
            metainfo={key: results[key] for key in self.meta_keys if key in results}
        )
        sample.gt = PixelData(
            **{
                task: to_tensor(results[f'gt_{task}']).to(LABEL_SPECS[task].dtype)
                for task in results['task_fields']
            }
        )
        return dict(inputs=to_tensor(results['img']), data_samples=sample)
