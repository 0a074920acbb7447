"""The last transform: from arrays to what the model takes."""

from collections.abc import Sequence

import numpy as np
import torch
from mmcv.transforms import BaseTransform
from mmengine.structures import PixelData
from numpy.typing import NDArray
from torch import Tensor

from mtl3d.datasets.transforms.fields import Results
from mtl3d.geometry import check_intrinsics, check_pose, relative_pose
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
        second_image: Keep the image of a second view, for a model that encodes it as well.

    Shape:
        ``inputs``: ``(3, H, W)`` RGB in 0..255, uint8 or float32. ``data_samples.gt``: one field
        per task that has a label, in the layout of :data:`~mtl3d.structures.LABEL_SPECS`. A second
        view is ``data_samples.second``, its motion ``relative_pose`` in the metainfo.

    Raises:
        ValueError: When called: a view of two has no camera, or an impossible one.
    """

    def __init__(self, *, meta_keys: Sequence[str] = META_KEYS, second_image: bool = False) -> None:
        self.meta_keys = tuple(meta_keys)
        self.second_image = second_image

    def transform(self, results: Results) -> Results:
        sample = self._sample(results)
        if 'second' in results:
            second = results['second']
            for view in (results, second):
                check_camera(view)
            sample.second = self._sample(second)
            if self.second_image:
                sample.second.image = to_tensor(second['img'])
            to_world = (torch.from_numpy(view['pose']) for view in (results, second))
            sample.set_metainfo(dict(relative_pose=relative_pose(*to_world).numpy()))
        return dict(inputs=to_tensor(results['img']), data_samples=sample)

    def _sample(self, results: Results) -> MultiTaskDataSample:
        sample = MultiTaskDataSample(
            metainfo={key: results[key] for key in self.meta_keys if key in results}
        )
        sample.gt = PixelData(
            **{
                task: to_tensor(results[f'gt_{task}']).to(LABEL_SPECS[task].dtype)
                for task in results['task_fields']
            }
        )
        return sample


def check_camera(view: Results) -> None:
    """Refuse a view that has no camera, or none that can exist.

    Raises:
        ValueError: ``intrinsics`` or ``pose`` is missing, singular or not rigid; the message names
            the image.
    """
    where = f"of the image '{view.get('img_id', '')}'"
    for name, check in (('intrinsics', check_intrinsics), ('pose', check_pose)):
        if view.get(name) is None:
            raise ValueError(f'{name} {where} is missing: two views need the cameras of both')
        check(torch.as_tensor(view[name], dtype=torch.float64), f'{name} {where}')
