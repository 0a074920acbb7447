"""L1 losses of continuous maps."""

from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

Reduction = Literal['pixel', 'element']


def l1(
    prediction: Tensor, label: Tensor, valid: Tensor, *, reduction: Reduction = 'pixel'
) -> Tensor:
    """Compute the mean absolute difference over valid pixels of the batch.

    Args:
        prediction: ``(N, C, H, W)``.
        label: ``(N, C, H, W)`` in the same unit.
        valid: ``(N, 1, H, W)`` bool, the pixels that count.
        reduction: ``pixel`` divides the sum over channels and pixels by the number of pixels
            (InvPT, ATRC); ``element`` by pixels times channels (the survey), which for three
            channels is a third of it.

    Returns:
        A float32 scalar; zero, with a graph, where no pixel is valid.

    Raises:
        ValueError: ``reduction`` is unknown.
    """
    if reduction not in ('pixel', 'element'):
        raise ValueError(f"reduction='{reduction}': valid are 'pixel' and 'element'")
    difference = (prediction.float() - label).abs()
    total = torch.where(valid, difference, 0.0).sum()
    count = valid.sum().clamp(min=1)
    return total / (count * prediction.shape[1] if reduction == 'element' else count)


def normals_l1(
    prediction: Tensor,
    label: Tensor,
    valid: Tensor,
    *,
    reduction: Reduction = 'pixel',
    eps: float = 1e-6,
) -> Tensor:
    """Compute the L1 loss of surface normals after scaling the prediction to unit length.

    Args:
        prediction: ``(N, 3, H, W)`` raw vectors of any length.
        label: ``(N, 3, H, W)`` unit vectors; they are taken as they are.
        valid: ``(N, 1, H, W)`` bool.
        reduction: See :func:`l1`.
        eps: Lower bound of the length. The published codes have 1e-12, with which one vector of
            exact zeros gets a gradient of 1e12; both give the same value elsewhere.

    Returns:
        A float32 scalar; zero, with a graph, where no pixel is valid.
    """
    return l1(F.normalize(prediction.float(), dim=1, eps=eps), label, valid, reduction=reduction)
