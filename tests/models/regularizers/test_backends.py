"""Every backend computes what the point-by-point reference computes, in values and gradients."""

from importlib.util import find_spec
from unittest.mock import patch

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scene_factory import all_leaves, compare, device_of, make_scene, render_with_gradients

from mtl3d.models.regularizers.rendering import (
    FieldWeights,
    TriPlane,
    fieldwise,
    grid_rays,
    separable,
)

# Scenes are quickly made, but not if the machine has other things to do.
SCENES = settings(deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
needs_triton = pytest.mark.skipif(not find_spec('triton'), reason='Triton is not installed')


@st.composite
def scenes(draw, device='cpu', most=9):
    """Planes, fields, rays of a grid, and padding; sides and numbers of things from 1 to ``most``.

    The first scene that is drawn has one of everything.
    """

    def count(limit=most):
        return draw(st.integers(1, min(limit, most)))

    torch.manual_seed(draw(st.integers(0, 99)))
    channels = draw(st.lists(st.integers(1, 4), min_size=1, max_size=most))
    planes, fields, size, samples = make_scene(
        batch=count(3),
        size=(count(), count()),
        samples=count(),
        channels=channels,
        densities=draw(st.sampled_from([1, len(channels)])),
        units=count(5),
        plane_channels=count(4),
        plane_sizes=[(count(), count()) for _ in range(3)],
        device=device,
    )
    with torch.no_grad():  # fog, walls behind which nothing is seen, or empty space
        fields.density_weight.mul_(draw(st.sampled_from([1, 1e3, 0])))
        fields.density_bias.add_(draw(st.sampled_from([0, 1e3, -1e4])))
    if draw(st.booleans()):
        leaves = [out_of_order(leaf) for leaf in all_leaves(planes, fields)]
        values = tuple(leaves[7 : 7 + len(channels)]), tuple(leaves[7 + len(channels) :])
        planes, fields = TriPlane(*leaves[:3]), FieldWeights(*leaves[3:7], *values)
    rays = grid_rays(size, samples, len(planes.xy), like=planes.xy, jitter=draw(st.booleans()))
    return planes, fields, rays, draw(st.sampled_from(['zeros', 'border']))


def out_of_order(leaf):
    """The same values, not contiguous in memory."""
    order = tuple(reversed(range(leaf.ndim)))
    return leaf.detach().permute(order).contiguous().permute(order).requires_grad_()


def bent(rays):
    """Rays that turn and leave the volume, with some invisible samples."""
    rays = rays.as_points()
    return rays._replace(
        points=rays.points + 0.5 * torch.randn_like(rays.points),
        delta=rays.delta * torch.randint_like(rays.delta, 2),
    )


def agree(backend, planes, fields, rays, padding_mode, *, texel_bytes=2**24):
    """Compare with the reference, a row at a time where rows come in blocks."""
    with (
        patch.object(fieldwise, 'TEXEL_BYTES', texel_bytes),
        patch.object(separable, 'CPU_POINT_BYTES', 1),
    ):
        compare(planes, fields, rays, backend, padding_mode)


#: Fields are walked one at a time, or all that there are.
texel_limits = st.sampled_from([1, 2**24])


@pytest.mark.parametrize('points', [False, True])
@pytest.mark.parametrize('backend', ['separable', 'numba'])
@settings(SCENES, max_examples=40)
@given(scene=scenes(), texel_bytes=texel_limits)
def test_on_the_cpu(backend, points, scene, texel_bytes):
    planes, fields, rays, padding_mode = scene
    rays = bent(rays) if points else rays
    agree(backend, planes, fields, rays, padding_mode, texel_bytes=texel_bytes)


# Fewer and smaller scenes: without a GPU, Triton's interpreter takes seconds for each.
@needs_triton
@settings(SCENES, max_examples=8)
@given(scene=scenes(device_of('triton'), most=4), texel_bytes=texel_limits)
def test_triton(scene, texel_bytes):
    agree('triton', *scene, texel_bytes=texel_bytes)


@needs_triton
def test_triton_with_several_tiles():
    planes, fields, size, samples = make_scene(
        batch=1, size=(9, 17), samples=9, units=5, channels=(2,), device=device_of('triton')
    )
    agree('triton', planes, fields, grid_rays(size, samples, 1, like=planes.xy), 'zeros')


@needs_triton
@pytest.mark.parametrize('padding_mode', ['zeros', 'border'])
@pytest.mark.parametrize('densities', [1, 2])
def test_arbitrary_rays_in_triton(densities, padding_mode):
    """Few cases, not drawn: here the interpreter is slowest."""
    planes, fields, size, samples = make_scene(
        batch=2, size=(2, 9), samples=2, densities=densities, plane_sizes=((3, 4), (2, 3), (5, 2)),
        device=device_of('triton'),
    )  # fmt: skip
    rays = bent(grid_rays(size, samples, 2, like=planes.xy))
    compare(planes, fields, rays, 'triton', padding_mode)


@needs_triton
def test_gradients_that_all_meet_in_one_texel_do_not_overflow():
    """Alike points whose gradients have one sign: their sum is as large as it can be."""
    planes, fields, _, _ = make_scene(
        batch=1, plane_sizes=((1, 1),) * 3, channels=(1,), device=device_of('triton')
    )
    rays = grid_rays((5, 5), 1, 1, like=planes.xy).as_points()
    compare(planes, fields, rays, 'triton', 'border', cotangent=torch.ones_like)


def test_numba_cuts_few_images_among_many_threads():
    threads = torch.get_num_threads()
    planes, fields, size, samples = make_scene(batch=1, size=(5, 3), channels=(2,))
    torch.set_num_threads(3)
    try:
        agree('numba', planes, fields, grid_rays(size, samples, 1, like=planes.xy), 'zeros')
    finally:
        torch.set_num_threads(threads)


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
