"""Random scenes for the tests of the renderers, and their comparison with the reference."""

from importlib.util import find_spec

import pytest
import torch

from mtl3d.models.regularizers.rendering import FieldWeights, TriPlane, render

BACKENDS = [
    'reference',
    'separable',
    'numba',
    pytest.param(
        'triton',
        marks=pytest.mark.skipif(not find_spec('triton'), reason='Triton is not installed'),
    ),
]


def device_of(backend):
    """Where a backend is tested: Triton on a GPU, if there is one."""
    return 'cuda' if backend == 'triton' and torch.cuda.is_available() else 'cpu'


def make_scene(
    batch=2, size=(4, 4), samples=5, channels=(3, 1), densities=1, units=4, plane_channels=3,
    plane_sizes=None, dtype=torch.float64, device='cpu',
):  # fmt: skip
    """Random planes and fields; returns them with the size and the samples of the rays."""
    height, width = size
    sizes = plane_sizes or ((height, width),) * 3
    num_fields = densities + len(channels)

    def leaf(*shape):
        return torch.randn(*shape, dtype=dtype, device=device, requires_grad=True)

    planes = TriPlane(*(leaf(batch, plane_channels, *s) for s in sizes))
    fields = FieldWeights(
        hidden_weight=leaf(num_fields, units, plane_channels),
        hidden_bias=leaf(num_fields, units),
        density_weight=leaf(densities, units),
        density_bias=leaf(densities),
        value_weights=tuple(leaf(c, units) for c in channels),
        value_biases=tuple(leaf(c) for c in channels),
    )
    return planes, fields, size, samples


def all_leaves(planes, fields):
    """Planes and field parameters in one list."""
    return [*planes, *fields[:4], *fields.value_weights, *fields.value_biases]


def random_cotangent(rendered):
    """A random gradient of a map, the same at each call for maps of the same shape."""
    generator = torch.Generator().manual_seed(rendered.numel())
    noise = torch.randn(rendered.shape, generator=generator, dtype=rendered.dtype)
    return noise.to(rendered.device)


def render_with_gradients(planes, fields, rays, *, cotangent=random_cotangent, **settings):
    """All rendered maps, and the gradients of a linear functional of them.

    The gradient of every second map comes with its axes exchanged in memory.
    """
    rendering = render(planes, fields, rays, **settings)
    maps = [*rendering.values, rendering.opacity, rendering.depth]
    turned = [m.mT if index % 2 else m for index, m in enumerate(maps)]
    loss = sum((m * cotangent(m)).sum() for m in turned)
    return maps, torch.autograd.grad(loss, all_leaves(planes, fields))


def compare(
    planes, fields, rays, backend, padding_mode='zeros', atol=1e-10, cotangent=random_cotangent
):
    """Assert that a backend agrees with the reference in every map and every gradient."""
    settings = dict(padding_mode=padding_mode, cotangent=cotangent)
    expected = render_with_gradients(planes, fields, rays, backend='reference', **settings)
    actual = render_with_gradients(planes, fields, rays, backend=backend, **settings)
    for a, e in zip((*actual[0], *actual[1]), (*expected[0], *expected[1]), strict=True):
        assert a.shape == e.shape
        torch.testing.assert_close(a, e, rtol=0, atol=atol)
