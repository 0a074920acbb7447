"""Binary cross-entropy with a weight against the imbalance of its two classes."""

import torch
import torch.nn.functional as F
from torch import Tensor

from mtl3d.structures.label_spec import IGNORE_INDEX


def balanced_bce(
    logits: Tensor,
    label: Tensor,
    *,
    positive_weight: float | None,
    ignore_index: int | None = IGNORE_INDEX,
) -> Tensor:
    """Compute the class-balanced binary cross-entropy (Xie and Tu, HED, ICCV 2015, eq. 2).

    With ``y = [label >= 0.5]`` and w the weight of the positive class: ``sum over valid of
    (w y softplus(-x) + (1 - w) (1 - y) softplus(x)) / max(#valid, 1)``. The division is by the
    number of pixels, not by the sum of the weights.

    The published protocols differ in three arguments only:

    ==================================  ===========================  ==================
    loss                                ``positive_weight``          ``logits``
    ==================================  ===========================  ==================
    edge: survey, InvPT, ATRC PASCAL    0.95                         one channel
    edge: ATRC NYUD, auxiliary          0.8                          two_class_logit
    saliency: InvPT, ATRC               None, from the batch         two_class_logit
    saliency: survey                    None, from the batch         one channel
    ==================================  ===========================  ==================

    Args:
        logits: ``(N, 1, H, W)``, the log-odds of the positive class.
        label: ``(N, 1, H, W)`` in 0..1.
        positive_weight: w in [0, 1]; None takes the share of negative pixels among the valid ones
            of this batch. A batch without positive pixels then costs nothing.
        ignore_index: The label of pixels that do not count; None counts every pixel, as the
            survey's code does, where a 255 is a positive pixel.

    Returns:
        A float32 scalar; zero, with a graph, where no pixel is valid.

    Raises:
        ValueError: ``positive_weight`` lies outside [0, 1].
    """
    if positive_weight is not None and not 0 <= positive_weight <= 1:
        raise ValueError(f'positive_weight={positive_weight}: must lie in [0, 1]')
    logits = logits.float()
    valid = torch.ones_like(label, dtype=torch.bool)
    if ignore_index is not None:
        valid = label != ignore_index
    positive = valid & (label >= 0.5)
    negative = valid & ~positive
    count = valid.sum().clamp(min=1)
    weight = negative.sum() / count if positive_weight is None else positive_weight
    loss_positive = (F.softplus(-logits) * positive).sum()
    loss_negative = (F.softplus(logits) * negative).sum()
    return (weight * loss_positive + (1 - weight) * loss_negative) / count


def two_class_logit(logits: Tensor) -> Tensor:
    """Turn a two-class prediction into the log-odds of its class 1.

    The softmax cross-entropy over two classes is the binary cross-entropy of this difference.

    Args:
        logits: ``(N, 2, H, W)``.

    Returns:
        ``(N, 1, H, W)`` float32.
    """
    logits = logits.float()
    return logits[:, 1:] - logits[:, :1]
