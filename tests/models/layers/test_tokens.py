"""Maps, tokens, and PyTorch's wrong gradient at batch size 1."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from mtl3d.models.layers import map_to_tokens, tokens_to_map


def test_row_major_order_and_back():
    maps = torch.arange(2 * 3 * 2 * 4.0).reshape(2, 3, 2, 4)
    tokens = map_to_tokens(maps)
    assert tokens.shape == (2, 8, 3)
    assert torch.equal(tokens[1, 5], maps[1, :, 1, 1])
    assert torch.equal(tokens_to_map(tokens, (2, 4)), maps)


def gradient_error(to_tokens: Callable[[Tensor], Tensor], batch: int, training: bool) -> float:
    """Largest difference between BatchNorm's gradient and its numerical one."""
    norm = nn.BatchNorm2d(4).double().train(training)
    nn.init.uniform_(norm.weight, 0.5, 2)
    weight = torch.randn(batch, 15, 4, dtype=torch.double)
    maps = torch.randn(batch, 4, 3, 5, dtype=torch.double, requires_grad=True)

    def loss(maps: Tensor) -> Tensor:
        return (to_tokens(norm(maps)) * weight).sum()

    (analytic,) = torch.autograd.grad(loss(maps), maps)
    numerical = torch.zeros_like(maps)
    step = 1e-5
    with torch.no_grad():
        for index in range(maps.numel()):
            shift = torch.zeros(maps.numel(), dtype=torch.double)
            shift[index] = step
            shift = shift.view_as(maps)
            slope = (loss(maps + shift) - loss(maps - shift)) / (2 * step)
            numerical.view(-1)[index] = slope
    return (analytic - numerical).abs().max().item()


@pytest.mark.parametrize('training', [True, False])
@pytest.mark.parametrize('batch', [1, 2])
def test_gradient_of_flattened_batch_norm(batch, training):
    assert gradient_error(map_to_tokens, batch, training) < 1e-7


def test_the_fault_is_still_there():
    """When this fails with every supported PyTorch, delete the hook in ``map_to_tokens``."""
    bare = gradient_error(lambda maps: maps.flatten(2).transpose(1, 2), 1, True)
    assert bare > 0.1


def test_the_guard_leaves_other_uses_of_the_map_alone():
    maps = torch.randn(1, 2, 3, 3, requires_grad=True)
    doubled = maps * 2
    map_to_tokens(doubled)
    assert not doubled._backward_hooks
