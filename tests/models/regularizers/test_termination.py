"""Where rays end: the gradient by hand is the gradient."""

import pytest
import torch

from mtl3d.models.regularizers.rendering.termination import (
    Termination,
    terminate,
    terminate_gradient,
)


@pytest.mark.parametrize('scale', [1.0, 30.0, 1e4])  # fog, both sides of softplus' 20, walls
@pytest.mark.parametrize('samples', [1, 6])
def test_the_gradient_is_that_of_autograd(samples, scale):
    torch.manual_seed(0)
    raw = (scale * torch.randn(2, 3, 2, 4, samples, dtype=torch.float64)).requires_grad_()
    delta = torch.rand(3, 2, 4, samples, dtype=torch.float64)
    depth = torch.rand(3, samples, dtype=torch.float64)
    ends = terminate(raw, delta, depth)
    gradients = Termination(*(torch.randn_like(tensor) for tensor in ends))
    (expected,) = torch.autograd.grad(ends, raw, gradients)
    actual = terminate_gradient(raw.detach(), ends.weights.detach(), delta, depth, gradients)
    torch.testing.assert_close(actual, expected, rtol=1e-12, atol=1e-14)


def test_invisible_samples_have_no_gradient():
    raw, depth = torch.ones(1, 1, 1, 1, 3), torch.ones(1, 3)
    delta = torch.tensor([1.0, 0.0, 1.0]).view(1, 1, 1, 3)
    ends = terminate(raw, delta, depth)
    assert ends.weights.flatten()[1] == 0
    ones = Termination(*(torch.ones_like(tensor) for tensor in ends))
    assert terminate_gradient(raw, ends.weights, delta, depth, ones).flatten()[1] == 0
