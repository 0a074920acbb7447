"""Volume rendering against closed forms."""

import math

import pytest
import torch
from scene_factory import BACKENDS, all_leaves, device_of, make_scene, render_with_gradients

from mtl3d.models.regularizers.rendering import (
    FieldWeights,
    Rendering,
    TriPlane,
    grid_rays,
    normalized,
    render,
)


def slabs(density, value, device):
    """A volume whose density and value depend on z alone: one entry per slab.

    Two channels, density in the first and value in the second; hidden units copy them (all inputs
    are positive, where a LeakyReLU is the identity).
    """
    samples = len(density)
    column = torch.tensor([density, value], dtype=torch.float64, device=device)
    planes = TriPlane(
        torch.zeros(1, 2, 2, 3).double(),
        column[None, :, :, None].expand(-1, -1, -1, 3).contiguous(),
        torch.zeros(1, 2, 2, samples).double(),
    )
    copy = torch.eye(2).double()[:, None]  # field -> unit -> channel
    one, zero = torch.ones(1, 1).double(), torch.zeros(1).double()
    fields = FieldWeights(copy, torch.zeros(2, 1).double(), one, zero, (one,), (zero,))
    planes = TriPlane(*(plane.to(device) for plane in planes))
    fields = FieldWeights(
        *(p.to(device) for p in fields[:4]), (one.to(device),), (zero.to(device),)
    )
    return planes, fields, grid_rays((2, 3), samples, 1, like=planes.xy)


def raw(sigma):
    """The raw value whose density is sigma: inverse of softplus(raw - 1)."""
    return [math.log(math.expm1(s)) + 1 for s in sigma]


@pytest.mark.parametrize('backend', BACKENDS)
def test_empty_space_renders_zero(backend):
    planes, fields, rays = slabs([0.0] * 4, [3.0] * 4, device_of(backend))
    fields = fields._replace(density_bias=torch.full_like(fields.density_bias, -1e4))
    rendering = render(planes, fields, rays, backend=backend)
    assert rendering.values[0].abs().max() == 0
    assert rendering.opacity.abs().max() == 0


@pytest.mark.parametrize('slab', range(4))
@pytest.mark.parametrize('backend', BACKENDS)
def test_an_opaque_slab_renders_its_own_value(backend, slab):
    density = [0.0] * 4
    density[slab] = 1e6
    planes, fields, rays = slabs(density, [3.0, 5.0, 7.0, 11.0], device_of(backend))
    fields = fields._replace(density_bias=torch.full_like(fields.density_bias, -1e3))
    rendering = render(planes, fields, rays, backend=backend)
    assert (rendering.values[0] - [3.0, 5.0, 7.0, 11.0][slab]).abs().max() < 1e-6
    assert torch.allclose(rendering.depth, rays.z[0, slab])


@pytest.mark.parametrize('backend', BACKENDS)
def test_constant_density_absorbs_exponentially(backend):
    sigma, samples = 1.3, 6
    planes, fields, rays = slabs(raw([sigma] * samples), [2.0] * samples, device_of(backend))
    rendering = render(planes, fields, rays, backend=backend)
    opacity = rendering.opacity.new_tensor(1 - math.exp(-2 * sigma))  # the volume is 2 deep
    assert torch.allclose(rendering.opacity, opacity, rtol=1e-12)
    assert torch.allclose(rendering.values[0], 2 * opacity, rtol=1e-12)


@pytest.mark.parametrize('backend', BACKENDS)
def test_weights_are_those_of_max_and_nerf(backend):
    sigma, value = [0.5, 2.0, 0.4, 1.0], [1.0, 10.0, 100.0, 1000.0]
    planes, fields, rays = slabs(raw(sigma), value, device_of(backend))
    expected, transmittance = 0.0, 1.0
    for s, v in zip(sigma, value, strict=True):
        alpha = 1 - math.exp(-s * 0.5)
        expected += transmittance * alpha * v
        transmittance *= 1 - alpha
    rendering = render(planes, fields, rays, backend=backend)
    assert rendering.values[0][0, 0, 1, 2].item() == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize('scale', [0.0, 1.0, 1e3, 1e30])
@pytest.mark.parametrize('backend', BACKENDS)
def test_opacity_stays_within_one_and_gradients_finite(backend, scale):
    planes, fields, size, samples = make_scene(dtype=torch.float32, device=device_of(backend))
    weight = (fields.density_weight.detach() * scale).requires_grad_()
    fields = fields._replace(density_weight=weight)
    rays = grid_rays(size, samples, 2, like=planes.xy)
    maps, gradients = render_with_gradients(planes, fields, rays, backend=backend)
    opacity = maps[-2]
    assert 0 <= opacity.min() and opacity.max() <= 1 + 1e-6
    assert all(tensor.isfinite().all() for tensor in (*maps, *gradients))


@pytest.mark.parametrize('points', [False, True])
@pytest.mark.parametrize('backend', BACKENDS[:3])  # Triton's interpreter is too slow
def test_gradcheck(backend, points):
    planes, fields, size, samples = make_scene(
        batch=2,
        size=(2, 3),
        samples=3,
        channels=(2, 1),
        units=2,
        plane_channels=2,
        device=device_of(backend),
    )
    rays = grid_rays(size, samples, 2, like=planes.xy, jitter=True)
    rays = rays.as_points() if points else rays

    def function(*leaves):
        scene = TriPlane(*leaves[:3]), FieldWeights(*leaves[3:7], leaves[7:9], leaves[9:])
        rendering = render(*scene, rays, backend=backend)
        return (*rendering.values, rendering.opacity, rendering.depth)

    assert torch.autograd.gradcheck(function, all_leaves(planes, fields))


@pytest.mark.parametrize('dtype', [torch.bfloat16, torch.float16])
@pytest.mark.parametrize('backend', BACKENDS)
def test_autocast_renders_in_float32(backend, dtype):
    planes, fields, size, samples = make_scene(dtype=torch.float32, device=device_of(backend))
    low = TriPlane(*(p.detach().to(dtype) for p in planes))
    rays = grid_rays(size, samples, 2, like=planes.xy)
    expected = render(TriPlane(*(p.float() for p in low)), fields, rays, backend=backend)
    with torch.autocast(device_of(backend), dtype=dtype):
        actual = render(low, fields, rays, backend=backend)
    assert actual.values[0].dtype == torch.float32
    for a, e in zip(actual.values, expected.values, strict=True):
        assert torch.equal(a, e)


def test_jitter_keeps_each_sample_in_its_bin_and_is_shared_by_the_rays_of_an_image():
    rays = grid_rays((3, 4), 5, 2, like=torch.zeros(0), jitter=True)
    edges = torch.linspace(-1, 1, 6)
    assert ((rays.z >= edges[:-1]) & (rays.z <= edges[1:])).all()
    assert not torch.equal(rays.z[0], rays.z[1])
    points = rays.as_points().points
    assert torch.equal(points[..., 2], rays.z[:, None, None].expand(2, 3, 4, 5))


def test_normalizing_divides_by_the_opacity_and_leaves_empty_rays_at_zero():
    opacity = torch.tensor([0.5, 0.0]).view(1, 1, 1, 2)
    values = (torch.tensor([2.0, 0.0]).view(1, 1, 1, 2), torch.ones(1, 3, 1, 2) * opacity)
    mean = normalized(Rendering(values, opacity, opacity))
    assert mean[0].flatten().tolist() == [4.0, 0.0]
    assert mean[1][0, :, 0, 0].tolist() == [1.0] * 3


def test_bad_scenes_are_refused():
    planes, fields, size, samples = make_scene(channels=(3, 1, 2))
    rays = grid_rays(size, samples, 2, like=planes.xy)
    with pytest.raises(ValueError, match='no value field'):
        render(planes, fields._replace(value_weights=(), value_biases=()), rays)
    with pytest.raises(ValueError, match="backend='fast': valid are auto, reference"):
        render(planes, fields, rays, backend='fast')
    with pytest.raises(ValueError, match='2 densities for 3 values'):
        render(planes, fields._replace(density_weight=torch.zeros(2, 4)), rays)
    with pytest.raises(ValueError, match='hidden_weight has 3 fields'):
        render(planes, fields._replace(hidden_weight=fields.hidden_weight[1:]), rays)
    with pytest.raises(ValueError, match='planes have 2 channels, the fields read 3'):
        render(TriPlane(*(p[:, :2] for p in planes)), fields, rays)
    with pytest.raises(ValueError, match='planes of 1 images, rays of 2'):
        render(TriPlane(*(p[:1] for p in planes)), fields, rays)
