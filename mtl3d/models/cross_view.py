"""Batches in which some images have a second view: their cameras, and what is supervised.

ICLR 2024 paper, section 4.3: the volume of the first view is rendered from the second camera and
compared with whatever labels the second view has.
"""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from mtl3d.models.regularizers.rendering import Cameras
from mtl3d.structures import MultiTaskDataSample


def second_views(
    data_samples: Sequence[MultiTaskDataSample], like: Tensor
) -> tuple[Cameras, list[MultiTaskDataSample]] | None:
    """Collect the second views of a batch.

    Args:
        data_samples: One sample per image; some have ``second``.
        like: The inputs ``(N, 3, H, W)``; gives the device.

    Returns:
        The cameras of M second views and their samples, or None where M is 0.

    Raises:
        ValueError: A view has no camera.
    """
    index = [i for i, sample in enumerate(data_samples) if 'second' in sample]
    if not index:
        return None
    firsts = [data_samples[i] for i in index]
    seconds = [sample.second for sample in firsts]
    for first, second in zip(firsts, seconds, strict=True):
        if not ('intrinsics' in first and 'intrinsics' in second and 'relative_pose' in first):
            raise ValueError(
                f"the two views of '{first.get('img_id', '')}' need intrinsics each, and a "
                'relative_pose; PackMultiTaskInputs notes them (see its meta_keys)'
            )

    def stack(matrices: Sequence[object]) -> Tensor:
        return torch.stack([torch.as_tensor(m, dtype=torch.float64) for m in matrices]).to(
            like.device
        )

    cameras = Cameras(
        image=torch.tensor(index, device=like.device),
        intrinsics=stack([sample.intrinsics for sample in firsts]),
        size=tuple(like.shape[-2:]),  # type: ignore[arg-type]
        other_intrinsics=stack([sample.intrinsics for sample in seconds]),
        # The preprocessor pads second views, and with them their cameras, to the batch's size.
        other_size=tuple(like.shape[-2:]),  # type: ignore[arg-type]
        pose=stack([sample.relative_pose for sample in firsts]),
    )
    return cameras, seconds


def with_second_views(
    inputs: Tensor, data_samples: Sequence[MultiTaskDataSample]
) -> tuple[Tensor, list[MultiTaskDataSample]]:
    """Append the second views to a batch, each with the first as its own second view.

    Args:
        inputs: ``(N, 3, H, W)``.
        data_samples: N samples; those of M second views have ``image``.

    Returns:
        ``(N + M, 3, H, W)`` and as many samples.

    Raises:
        ValueError: A second view has no image.
    """
    firsts = [sample for sample in data_samples if 'second' in sample]
    for sample in firsts:
        if 'image' not in sample.second:
            raise ValueError(
                f"the second view of '{sample.get('img_id', '')}' has no image: set "
                'PackMultiTaskInputs(second_image=True), or cross_view_symmetric=False'
            )
    if not firsts:
        return inputs, list(data_samples)
    images = torch.stack([sample.second.image for sample in firsts])
    return torch.cat([inputs, images]), [*data_samples, *map(_exchanged, firsts)]


def _exchanged(sample: MultiTaskDataSample) -> MultiTaskDataSample:
    """Make the sample of the second view whose second view is the first."""
    exchanged = MultiTaskDataSample(metainfo=sample.second.metainfo, gt=sample.second.gt)
    exchanged.second = MultiTaskDataSample(metainfo=sample.metainfo, gt=sample.gt)
    pose = np.asarray(sample.relative_pose, dtype=np.float64)
    exchanged.set_metainfo(dict(relative_pose=np.linalg.inv(pose)))
    return exchanged
