"""How a label of each task is stored, and how it says "no label here".

One table serves data sets, transforms, the preprocessor, the losses and the metrics. A project that
adds a task adds a row: ``LABEL_SPECS['albedo'] = LabelSpec(channels=3)``.
"""

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

IGNORE_INDEX = 255


@dataclass(frozen=True)
class LabelSpec:
    """The storage convention of one task's labels.

    Attributes:
        channels: Channels of the label field ``(channels, H, W)``.
        kind: ``class`` (int64 class ids, 255 = ignore), ``binary`` (float32 0 / 1, 255 = ignore),
            or ``continuous`` (float32, a vector of zeros = no measurement).
        is_direction: The values are vectors in the camera frame, whose x component changes sign
            under a horizontal flip.
        is_distance: The values are metric distances along the viewing axis, which a change of
            scale divides.
    """

    channels: int = 1
    kind: Literal['class', 'binary', 'continuous'] = 'continuous'
    is_direction: bool = False
    is_distance: bool = False

    @property
    def dtype(self) -> torch.dtype:
        """The data type of the label field."""
        return torch.int64 if self.kind == 'class' else torch.float32

    @property
    def invalid_value(self) -> int:
        """The value that marks a pixel without a label, used for padding."""
        return 0 if self.kind == 'continuous' else IGNORE_INDEX

    def valid_mask(self, label: Tensor) -> Tensor:
        """Tell which pixels carry a label.

        Args:
            label: ``(..., channels, H, W)``.

        Returns:
            ``(..., 1, H, W)`` bool.
        """
        return (label != self.invalid_value).any(dim=-3, keepdim=True)


LABEL_SPECS: dict[str, LabelSpec] = {
    'semseg': LabelSpec(kind='class'),
    'human_parts': LabelSpec(kind='class'),
    'depth': LabelSpec(is_distance=True),
    'normals': LabelSpec(channels=3, is_direction=True),
    'edge': LabelSpec(kind='binary'),
    'saliency': LabelSpec(kind='binary'),
}
