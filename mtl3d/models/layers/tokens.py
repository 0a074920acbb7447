"""Maps to tokens and back."""

from collections.abc import Sequence

from torch import Tensor


def map_to_tokens(maps: Tensor) -> Tensor:
    """Flatten maps row by row into tokens.

    The gradient is handed back to the map contiguously. Without that, PyTorch's CPU BatchNorm
    silently computes wrong gradients (error of order 1) when the batch size is 1 and its output is
    flattened to tokens: found with 2.13.0 and 2.15.0, in training and in evaluation mode, float32
    and float64. ``tests/models/layers/test_tokens.py`` shows the fault without the hook; when that
    test fails in all supported versions of PyTorch, the hook can go.

    Args:
        maps: ``(N, C, h, w)``.

    Returns:
        ``(N, h * w, C)``, a view.
    """
    if maps.requires_grad:
        maps = maps.view_as(maps)  # the hook must not stay on a tensor that others use, too
        maps.register_hook(lambda gradient: gradient.contiguous())
    return maps.flatten(2).transpose(1, 2)


def tokens_to_map(tokens: Tensor, size: Sequence[int]) -> Tensor:
    """Arrange tokens row by row into a map.

    Args:
        tokens: ``(N, h * w, C)``.
        size: (h, w).

    Returns:
        ``(N, C, h, w)``, a view.
    """
    height, width = size
    return tokens.transpose(1, 2).unflatten(2, (height, width))
