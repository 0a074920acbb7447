"""Every backend computes what the point-by-point reference computes, in values and gradients."""

import pytest
import torch
from scene_factory import compare, make_scene

from mtl3d.models.regularizers.rendering import grid_rays, separable

FAST = ['separable', 'numba']

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
    planes, fields, size, samples = make_scene(**CASES[case])
    rays = grid_rays(size, samples, len(planes.xy), like=planes.xy, jitter=jitter)
    compare(planes, fields, rays, backend, padding_mode)


@pytest.mark.parametrize('padding_mode', ['zeros', 'border'])
@pytest.mark.parametrize('case', CASES)
@pytest.mark.parametrize('backend', FAST)
def test_arbitrary_rays(backend, case, padding_mode, monkeypatch):
    small_blocks(monkeypatch)
    planes, fields, size, samples = make_scene(**CASES[case])
    rays = grid_rays(size, samples, len(planes.xy), like=planes.xy).as_points()
    bent = rays._replace(
        points=rays.points + 0.5 * torch.randn_like(rays.points),  # some leave the volume
        delta=rays.delta * torch.randint(0, 2, rays.delta.shape),  # some are invisible
    )
    compare(planes, fields, bent, backend, padding_mode)
