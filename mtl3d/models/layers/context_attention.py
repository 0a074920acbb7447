"""The attention functions of relational context pooling: global, local and over regions.

Source: Bruggemann et al., "Exploring Relational Context for Multi-Task Dense Prediction", ICCV
2021, section 3.2.
"""

from contextlib import AbstractContextManager, nullcontext

import torch
import torch.nn.functional as F
from torch import Tensor


def linear_attention(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """Let every position attend to all others, at a cost linear in their number.

    ``z_p = sum_x <q_p, k_x> v_x / sum_x <q_p, k_x>``, computed in float32 even under autocast: the
    sums run over all positions of an image, which may exceed half precision's range.

    Args:
        query: ``(N, L, C)``, non-negative.
        key: ``(N, P, C)``, non-negative.
        value: ``(N, P, D)``.

    Returns:
        ``(N, L, D)``, float32 (float64 stays).
    """
    with _without_autocast(query):
        query, key, value = (_at_least_float32(tensor) for tensor in (query, key, value))
        total = query @ (key.transpose(1, 2) @ value)
        norm = query @ key.sum(dim=1).unsqueeze(-1)
        return total / norm.clamp(min=1e-12)


def local_attention(query: Tensor, key: Tensor, value: Tensor, *, window: int = 9) -> Tensor:
    """Let every position attend to a square of neighbours.

    ``z_p = sum_d softmax_d(<q_p, k_{p+d}> / sqrt(C)) v_{p+d}``. Beyond the border keys and values
    are zero, but take part in the softmax, as in the published CUDA kernels. The window's shifts
    are taken one by one, so that no ``(N, C, window^2, h, w)`` tensor is ever made.

    Args:
        query: ``(N, C, h, w)``.
        key: ``(N, C, h, w)``.
        value: ``(N, D, h, w)``.
        window: Side of the square, odd.

    Returns:
        ``(N, D, h, w)``.
    """
    height, width = query.shape[-2:]
    reach = window // 2
    key, value = (F.pad(maps, (reach,) * 4) for maps in (key, value))
    shifts = [(y, x) for y in range(window) for x in range(window)]
    scores = torch.stack(
        [(query * key[..., y : y + height, x : x + width]).sum(dim=1) for y, x in shifts], dim=1
    )
    weights = (scores * query.shape[1] ** -0.5).softmax(dim=1)
    pooled = torch.zeros_like(value[..., :height, :width])
    for index, (y, x) in enumerate(shifts):
        pooled = pooled + weights[:, index : index + 1] * value[..., y : y + height, x : x + width]
    return pooled


def region_weights(logits: Tensor) -> Tensor:
    """Turn class maps into regions: each class's softmax over the image.

    Args:
        logits: ``(N, K, h, w)``.

    Returns:
        ``(N, K, h * w)``, each row of sum 1; the classes do not compete.
    """
    return _at_least_float32(logits).flatten(2).softmax(dim=2)


def pool_regions(weights: Tensor, feature: Tensor) -> Tensor:
    """Average a feature over regions, in float32 even under autocast.

    Args:
        weights: ``(N, K, h * w)``, from :func:`region_weights`.
        feature: ``(N, C, h, w)``.

    Returns:
        ``(N, C, K, 1)``, float32 (float64 stays): a map of K rows, to which convolutions apply.
    """
    with _without_autocast(feature):
        feature = _at_least_float32(feature)
        return (feature.flatten(2) @ weights.to(feature).transpose(1, 2)).unsqueeze(-1)


def _at_least_float32(tensor: Tensor) -> Tensor:
    return tensor.to(torch.promote_types(tensor.dtype, torch.float32))


def _without_autocast(tensor: Tensor) -> AbstractContextManager:
    device = tensor.device.type
    if not torch.amp.is_autocast_available(device):  # 'meta', on which FLOPs are counted
        return nullcontext()
    return torch.autocast(device, enabled=False)
