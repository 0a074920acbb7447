"""Every backend computes what the point-by-point reference computes, in values and gradients."""

from importlib.util import find_spec

import pytest
import torch
from scene_factory import BACKENDS, compare, device_of, make_scene, render_with_gradients

from mtl3d.models.regularizers.rendering import grid_rays, separable

FAST = BACKENDS[1:]

CASES = dict(
    square=dict(),
    odd=dict(size=(5, 7), samples=3),
    one_sample=dict(samples=1),
    one_ray=dict(size=(1, 1)),
    one_image=dict(batch=1),
    one_task=dict(channels=(2,)),
    many_tasks=dict(channels=(40, 1, 3, 1, 7, 2)),
    density_per_task=dict(channels=(3, 1, 2), densities=3),
    planes_of_another_size=dict(plane_sizes=((3, 9), (11, 4), (6, 5))),
    many_blocks=dict(size=(13, 6), batch=3),
)


def small_blocks(monkeypatch):
    """Cut even these tiny scenes into several blocks."""
    monkeypatch.setattr(separable, 'PLANE_BYTES', 10_000)
    monkeypatch.setattr(separable, 'POINT_BYTES', 5_000)


@pytest.mark.parametrize('padding_mode', ['zeros', 'border'])
@pytest.mark.parametrize('jitter', [False, True])
@pytest.mark.parametrize('case', CASES)
@pytest.mark.parametrize('backend', FAST)
def test_grid_rays(backend, case, jitter, padding_mode, monkeypatch):
    small_blocks(monkeypatch)
    planes, fields, size, samples = make_scene(**CASES[case], device=device_of(backend))
    rays = grid_rays(size, samples, len(planes.xy), like=planes.xy, jitter=jitter)
    compare(planes, fields, rays, backend, padding_mode)


def bent_rays(planes, size, samples):
    """Rays that turn and leave the volume, with some invisible samples."""
    rays = grid_rays(size, samples, len(planes.xy), like=planes.xy).as_points()
    return rays._replace(
        points=rays.points + 0.5 * torch.randn_like(rays.points),
        delta=rays.delta * torch.randint_like(rays.delta, 2),
    )


@pytest.mark.parametrize('padding_mode', ['zeros', 'border'])
@pytest.mark.parametrize('case', CASES)
@pytest.mark.parametrize('backend', ['separable', 'numba'])
def test_arbitrary_rays(backend, case, padding_mode, monkeypatch):
    small_blocks(monkeypatch)
    planes, fields, size, samples = make_scene(**CASES[case])
    compare(planes, fields, bent_rays(planes, size, samples), backend, padding_mode)


@pytest.mark.skipif(not find_spec('triton'), reason='Triton is not installed')
@pytest.mark.parametrize('padding_mode', ['zeros', 'border'])
@pytest.mark.parametrize('densities', [1, 2])
def test_arbitrary_rays_in_triton(densities, padding_mode):
    """Few cases: Triton's interpreter takes seconds for each."""
    planes, fields, size, samples = make_scene(
        batch=1, size=(2, 9), samples=2, densities=densities, plane_sizes=((3, 4), (2, 3), (5, 2)),
        device=device_of('triton'),
    )  # fmt: skip
    compare(planes, fields, bent_rays(planes, size, samples), 'triton', padding_mode)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason='needs a CUDA device')
@pytest.mark.parametrize('points', [False, True])
def test_triton_at_full_size_on_a_gpu(points):
    """float32 within 1e-4, and the same bits in two runs."""
    planes, fields, size, samples = make_scene(
        batch=2, size=(56, 72), samples=48, channels=(40, 1, 3, 1), units=64, plane_channels=64,
        dtype=torch.float32, device='cuda',
    )  # fmt: skip
    rays = grid_rays(size, samples, 2, like=planes.xy, jitter=True)
    rays = rays.as_points() if points else rays
    expected = render_with_gradients(planes, fields, rays, backend='reference')
    first, second = (
        render_with_gradients(planes, fields, rays, backend='triton') for _ in range(2)
    )
    for a, b, e in zip(
        (*first[0], *first[1]), (*second[0], *second[1]), (*expected[0], *expected[1]), strict=True
    ):
        assert torch.equal(a, b)
        torch.testing.assert_close(a, e, rtol=1e-4, atol=1e-4 * e.abs().max().item())
