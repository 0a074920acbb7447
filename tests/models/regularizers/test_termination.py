"""Where rays end: the gradient by hand is the gradient, in torch and in Triton."""

from importlib import import_module
from importlib.util import find_spec

import pytest
import torch
from scene_factory import device_of

from mtl3d.models.regularizers.rendering import termination
from mtl3d.models.regularizers.rendering.termination import Termination

BACKENDS = [
    'torch',
    pytest.param(
        'triton',
        marks=pytest.mark.skipif(not find_spec('triton'), reason='Triton is not installed'),
    ),
]


def module_of(backend):
    if backend == 'torch':
        return termination
    return import_module('mtl3d.models.regularizers.rendering.triton_termination')


@pytest.mark.parametrize('scale', [1.0, 30.0, 1e4])  # fog, both sides of softplus' 20, walls
@pytest.mark.parametrize('samples', [1, 6])
@pytest.mark.parametrize('backend', BACKENDS)
def test_the_gradient_is_that_of_autograd(backend, samples, scale):
    torch.manual_seed(0)
    settings = dict(dtype=torch.float64, device=device_of(backend))
    raw = (scale * torch.randn(2, 3, 2, 4, samples, **settings)).requires_grad_()
    delta, depth = torch.rand(3, 2, 4, samples, **settings), torch.rand(3, samples, **settings)
    expected = termination.terminate(raw, delta, depth)
    gradients = Termination(*(torch.randn_like(tensor) for tensor in expected))
    (d_raw,) = torch.autograd.grad(expected, raw, gradients)

    module = module_of(backend)
    ends = module.terminate(raw.detach(), delta, depth)
    for actual, truth in zip(ends, expected, strict=True):
        torch.testing.assert_close(actual, truth.detach(), rtol=1e-12, atol=1e-14)
    actual = module.terminate_gradient(raw.detach(), ends.weights, delta, depth, gradients)
    torch.testing.assert_close(actual, d_raw, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize('backend', BACKENDS)
def test_invisible_samples_have_no_weight_and_no_gradient(backend):
    raw = torch.ones(1, 1, 1, 1, 3, device=device_of(backend))
    delta, depth = raw.new_tensor([1.0, 0.0, 1.0]).view(1, 1, 1, 3), raw.new_ones(1, 3)
    module = module_of(backend)
    ends = module.terminate(raw, delta, depth)
    assert ends.weights.flatten()[1] == 0
    ones = Termination(*(torch.ones_like(tensor) for tensor in ends))
    assert module.terminate_gradient(raw, ends.weights, delta, depth, ones).flatten()[1] == 0
