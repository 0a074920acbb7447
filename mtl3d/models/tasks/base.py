"""The interface of a task."""

from abc import ABC, abstractmethod
from collections.abc import Sequence

import torch.nn.functional as F
from torch import Tensor, nn


class Task(nn.Module, ABC):
    """One thing to predict: its channels, its loss, and the meaning of its raw predictions.

    A decoder only maps features to raw predictions ("logits", whatever the task); everything else
    that differs between tasks is here. The label's layout is in
    :data:`mtl3d.structures.LABEL_SPECS`.

    Args:
        loss_weight: Factor of this task's loss, wherever its prediction comes from (the paper uses
            one weight for the decoder's and the regularizer's prediction).
    """

    #: Channels of the raw prediction.
    out_channels: int

    def __init__(self, *, loss_weight: float = 1.0) -> None:
        super().__init__()
        self.loss_weight = loss_weight

    def loss(self, logits: Tensor, label: Tensor) -> Tensor:
        """Compute the unweighted loss of a batch, in float32.

        The prediction is resized bilinearly to the label, as in every deep supervision of the base
        methods (docs/regularizer.md).

        Args:
            logits: ``(N, out_channels, h, w)`` raw predictions.
            label: ``(N, c, H, W)`` labels.

        Returns:
            A scalar.
        """
        return self.pixel_loss(resize(logits.float(), label.shape[-2:]), label)

    @abstractmethod
    def pixel_loss(self, logits: Tensor, label: Tensor) -> Tensor:
        """Compute the loss of predictions that have the label's size; see :meth:`loss`."""

    @abstractmethod
    def activate(self, logits: Tensor) -> Tensor:
        """Turn raw predictions into quantities that may be averaged.

        Args:
            logits: ``(N, out_channels, H, W)``.

        Returns:
            Probabilities, unit vectors or metres, ``(N, channels, H, W)`` float32.
        """

    def decode(self, activated: Tensor) -> Tensor:
        """Turn activated predictions into the layout of a label.

        Args:
            activated: ``(N, channels, H, W)``, from :meth:`activate` or a mean of several.

        Returns:
            ``(N, c, H, W)`` in the label's layout; probabilities for binary tasks.
        """
        return activated


def resize(maps: Tensor, size: Sequence[int]) -> Tensor:
    """Resize ``(N, C, h, w)`` maps bilinearly (corners not aligned, no antialiasing)."""
    if tuple(maps.shape[-2:]) == tuple(size):
        return maps
    return F.interpolate(maps, size=tuple(size), mode='bilinear', align_corners=False)
