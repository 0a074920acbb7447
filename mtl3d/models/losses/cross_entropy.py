"""Cross-entropy of class maps."""

import torch.nn.functional as F
from torch import Tensor

from mtl3d.structures.label_spec import IGNORE_INDEX


def cross_entropy(logits: Tensor, label: Tensor, *, ignore_index: int = IGNORE_INDEX) -> Tensor:
    """Compute the softmax cross-entropy, averaged over the labelled pixels of the batch.

    ``sum over valid of -log softmax(logits)[label] / max(#valid, 1)``, without class weights: the
    segmentation loss of InvPT (Ye and Xu, ECCV 2022), ATRC (Bruggemann et al., ICCV 2021) and the
    survey of Vandenhende et al. (TPAMI 2021). The last one yields NaN for a batch without labels,
    here it is a zero that keeps the graph.

    Args:
        logits: ``(N, C, H, W)`` raw predictions.
        label: ``(N, 1, H, W)`` int64 class ids in 0..C-1.
        ignore_index: The class id of pixels that do not count.

    Returns:
        A float32 scalar.

    Raises:
        ValueError: A label is neither a class nor ``ignore_index``.
    """
    target = label.squeeze(1).long()
    classes = logits.shape[1]
    valid = target != ignore_index
    wrong = valid & ((target < 0) | (target >= classes))
    # On a GPU the kernel itself would only report a device-side assertion.
    if wrong.any():
        raise ValueError(
            f'A label holds class id {int(target[wrong][0])}, but the prediction has {classes} '
            f'classes (0..{classes - 1}, and {ignore_index} for pixels to ignore). Set num_classes '
            'of the task, or map the ids when the data set reads them.'
        )
    total = F.cross_entropy(logits.float(), target, ignore_index=ignore_index, reduction='sum')
    return total / valid.sum().clamp(min=1)
