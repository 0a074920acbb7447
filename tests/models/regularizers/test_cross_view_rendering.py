"""Rendering from other cameras: against single-view rendering and against true rooms."""

import numpy as np
import pytest
import torch
from scene_factory import make_scene

from mtl3d.datasets.synthesis.render import render_room
from mtl3d.datasets.synthesis.scene import random_room
from mtl3d.geometry import backproject, pixel_grid, project, relative_pose, transform
from mtl3d.models.regularizers.rendering import (
    Cameras,
    FieldWeights,
    TriPlane,
    camera_rays,
    grid_rays,
    render,
    termination_depth,
)
from mtl3d.models.tasks.base import resize
from mtl3d.registry import MODELS

NEAR, FAR = 0.1, 10.0


def intrinsics(focal=20.0, size=(24, 32), count=1):
    height, width = size
    matrix = [[focal, 0, (width - 1) / 2], [0, 1.1 * focal, (height - 1) / 2 + 1], [0, 0, 1]]
    return torch.tensor(matrix, dtype=torch.float64).expand(count, 3, 3)


def small_motion(count=1):
    """A turn by some degrees about a skew axis, and a step of some centimetres."""
    generator = torch.Generator().manual_seed(3)
    pose = torch.eye(4, dtype=torch.float64).repeat(count, 1, 1)
    twist = 0.1 * torch.randn(count, 3, 3, generator=generator, dtype=torch.float64)
    pose[:, :3, :3] = torch.linalg.matrix_exp(twist - twist.mT)
    pose[:, :3, 3] = 0.2 * torch.randn(count, 3, generator=generator, dtype=torch.float64)
    return pose


def cameras(pose, **changes):
    count = len(pose)
    parts = dict(
        image=torch.arange(count),
        intrinsics=intrinsics(count=count),
        size=(24, 32),
        other_intrinsics=intrinsics(count=count),
        other_size=(24, 32),
        pose=pose,
    )
    return Cameras(**{**parts, **changes})


@pytest.mark.parametrize('backend', ['reference', 'separable', 'numba'])
def test_the_identity_gives_the_single_view(backend):
    planes, fields, _, samples = make_scene(size=(4, 6), samples=7)
    grid = grid_rays((4, 6), samples, 2, like=planes.xy, jitter=True)
    same = camera_rays(cameras(torch.eye(4).double().repeat(2, 1, 1)), grid, NEAR, FAR)
    expected = render(planes, fields, grid, backend=backend)
    actual = render(planes, fields, same, backend=backend)
    for a, e in zip(
        (*actual.values, actual.opacity, actual.depth),
        (*expected.values, expected.opacity, expected.depth),
        strict=True,
    ):
        torch.testing.assert_close(a, e, rtol=0, atol=1e-12)


def test_intrinsics_and_size_of_equal_views_do_not_matter():
    """A picture of twice the size by the equally enlarged camera is the same view."""
    grid = grid_rays((4, 6), 5, 1, like=torch.zeros(1, dtype=torch.float64))
    twice = intrinsics().clone()
    twice[:, :2] *= 2
    twice[:, :2, 2] += 0.5
    other = cameras(small_motion(), other_intrinsics=twice, other_size=(48, 64))
    expected = camera_rays(cameras(small_motion()), grid, NEAR, FAR)
    for a, e in zip(camera_rays(other, grid, NEAR, FAR), expected, strict=True):
        torch.testing.assert_close(a, e, rtol=0, atol=1e-12)


def test_autocast_rounds_no_position():
    grid = grid_rays((4, 6), 5, 1, like=torch.zeros(1))
    expected = camera_rays(cameras(small_motion()), grid, NEAR, FAR)
    with torch.autocast('cpu', dtype=torch.bfloat16):
        actual = camera_rays(cameras(small_motion()), grid, NEAR, FAR)
    assert torch.equal(actual.points, expected.points)


def test_points_are_where_elementary_geometry_puts_them():
    """One ray, one sample, by hand: a camera one metre to the right, looking the same way."""
    pose = torch.eye(4, dtype=torch.float64)[None]
    pose[0, 0, 3] = 1.0
    like = torch.zeros(1, dtype=torch.float64)
    grid = grid_rays((1, 1), 1, 1, like=like)._replace(z=like[None] - 0.2)
    camera = intrinsics()
    rays = camera_rays(cameras(pose), grid, NEAR, FAR)
    depth = NEAR + 0.4 * (FAR - NEAR)
    # The middle of the picture, (15.5, 11.5), is on the ray (0, -1 / 22, 1).
    point = torch.tensor([1.0, -depth / 22, depth], dtype=torch.float64)
    pixel = camera[0] @ point / depth
    expected = torch.stack(
        [(2 * pixel[0] + 1) / 32 - 1, (2 * pixel[1] + 1) / 24 - 1, like[0] - 0.2]
    )
    torch.testing.assert_close(rays.points[0, 0, 0, 0], expected)
    length = np.hypot(1, 1 / 22) / (np.linalg.norm(point) / depth)
    assert rays.delta.item() == pytest.approx(2 * length)


def test_a_camera_that_looks_the_other_way_sees_nothing():
    pose = torch.eye(4, dtype=torch.float64)[None]
    pose[0, 0, 0] = pose[0, 2, 2] = -1
    planes, fields, _, samples = make_scene(batch=1, size=(4, 6))
    rays = camera_rays(cameras(pose), grid_rays((4, 6), 5, 1, like=planes.xy), NEAR, FAR)
    assert rays.points.isfinite().all()
    rendering = render(planes, fields, rays, backend='separable')
    for values in (*rendering.values, rendering.opacity):
        assert (values == 0).all()


def test_density_is_a_property_of_space():
    """A homogeneous fog is as thick along a segment of space, whichever ray passes there."""
    like = torch.zeros(1, dtype=torch.float64)
    grid = grid_rays((6, 8), 4000, 1, like=like)
    pose = small_motion()
    rays = camera_rays(cameras(pose), grid, NEAR, FAR)
    inside = rays.delta[0] > 0
    # Metric length of a sample of this ray, and of the image's ray through it, per unit of z.
    own = backproject(
        (torch.stack(torch.meshgrid(grid.y, grid.x, indexing='ij')[::-1], -1) + 1)
        * torch.tensor([32, 24]) / 2 - 0.5,
        torch.ones(6, 8, dtype=torch.float64), intrinsics()[0],
    ).norm(dim=-1)  # fmt: skip
    depth = NEAR + (grid.z[0] + 1) / 2 * (FAR - NEAR)
    x, y = (rays.points[0, ..., i] for i in (0, 1))
    pixel = torch.stack([(x + 1) * 32 - 1, (y + 1) * 24 - 1], -1) / 2
    theirs = backproject(pixel, torch.ones_like(x), intrinsics()[0]).norm(dim=-1)
    expected = (own[..., None] / theirs).expand(6, 8, len(depth)) * 2 / 4000
    torch.testing.assert_close(rays.delta[0][inside], expected[inside])


def solid_behind(depth, near, far, samples):
    """Planes and fields whose density is a wall that begins at a depth map ``(H, W)``.

    One channel: minus the surface's z on the x-y plane plus z on the x-z plane; the field's density
    is steep in it.
    """
    height, width = depth.shape
    surface = 2 * (depth - near) / (far - near) - 1
    z = (2 * torch.arange(samples, dtype=depth.dtype) + 1) / samples - 1
    planes = TriPlane(
        -surface[None, None],
        z[:, None].expand(samples, width)[None, None],
        torch.zeros(1, 1, height, samples, dtype=depth.dtype),
    )
    one = torch.ones(2, 1, 1, dtype=depth.dtype)
    fields = FieldWeights(
        one, one[..., 0] * 0, 1e5 * one[:1, 0], one[:1, 0, 0], (one[0],), (one[0, 0] * 0,)
    )
    return planes, fields


@pytest.mark.parametrize('seed', [0, 1])
def test_a_true_volume_shows_the_second_view_its_true_depth(seed):
    """Except where the second view sees what the first does not."""
    size, near, far = (72, 96), 0.5, 8.0
    scene = random_room(np.random.default_rng(seed), size=size, num_views=2, arc_degrees=6)
    first, second = render_room(scene, samples=1)
    depth = [torch.from_numpy(view.depth) for view in (first, second)]
    matrix = [torch.from_numpy(view.camera.intrinsics) for view in (first, second)]
    to_world = [torch.from_numpy(view.camera.camera_to_world) for view in (first, second)]
    pose = relative_pose(*to_world)

    planes, fields = solid_behind(depth[0], near, far, samples=256)
    grid = grid_rays(size, 256, 1, like=depth[0])
    views = Cameras(torch.zeros(1).long(), matrix[0][None], size, matrix[1][None], size, pose[None])
    rays = camera_rays(views, grid, near, far)
    rendering = render(planes, fields, rays, padding_mode='border')
    rendered = termination_depth(rendering, near, far)[0, 0]

    # Seen by the first view, away from the jumps of its depth, over which the planes interpolate.
    points = transform(backproject(pixel_grid(*size, like=depth[0]), depth[1], matrix[1]), pose)
    pixel, z = project(points, matrix[0])
    grid_2d = (2 * pixel + 1) / torch.tensor([size[1], size[0]]) - 1
    seen = torch.nn.functional.grid_sample(
        depth[0][None, None], grid_2d[None], align_corners=False, mode='nearest'
    )[0, 0]
    visible = ((seen - z).abs() < 0.02 * z) & (grid_2d.abs() < 0.98).all(-1)
    assert visible.double().mean() > 0.7
    error = ((rendered - depth[1]) / depth[1]).abs()[visible]
    assert error.median() < 0.01
    assert error.quantile(0.9) < 0.03
    # The same volume by a wrong camera does not agree.
    wrong = views._replace(pose=torch.linalg.inv(views.pose))
    rendering = render(planes, fields, camera_rays(wrong, grid, near, far), padding_mode='border')
    wrong_depth = termination_depth(rendering, near, far)[0, 0]
    assert ((wrong_depth - depth[1]) / depth[1]).abs()[visible].median() > 0.05


@pytest.mark.parametrize('depth_from', ['field', 'density'])
def test_gradients_of_the_cross_view_loss(depth_from):
    module = build(depth_from).double().train()
    module.jitter = False
    planes = TriPlane(
        *(torch.randn(1, 2, 3, 4, dtype=torch.float64, requires_grad=True) for _ in range(3))
    )
    views = cameras(small_motion(2), image=torch.tensor([0, 0]))
    label = 1 + 3 * torch.rand(2, 1, 6, 8, dtype=torch.float64)

    def loss(*planes):
        rendered = module.predict(TriPlane(*planes), views)['depth']
        # DepthTask's loss, which itself computes in float32.
        return (resize(rendered, (6, 8)) - label).abs().mean()

    assert loss(*planes) > 0
    assert torch.autograd.gradcheck(loss, tuple(planes))


def build(depth_from='field', **settings):
    torch.manual_seed(0)
    return MODELS.build(
        dict(
            type='TriplaneRegularizer',
            in_channels=[4],
            out_channels=dict(depth=1, normals=3),
            plane_channels=2,
            encoder_channels=4,
            hidden_channels=3,
            render_size=(3, 4),
            num_samples=5,
            depth_from=depth_from,
            **settings,
        )  # fmt: skip
    )


@pytest.mark.parametrize('normalize', [True, False])
@pytest.mark.parametrize('depth_from', ['field', 'density'])
def test_both_views_of_one_encoding(depth_from, normalize):
    module = build(depth_from, normalize_weights=normalize).eval()
    features = [torch.randn(2, 4, 6, 8)]
    identity = cameras(torch.eye(4)[None], image=torch.tensor([1]))
    own, other = module.forward_views(features, identity)
    assert set(own) == set(other) == {'depth', 'normals'}
    for task, value in own.items():
        torch.testing.assert_close(other[task], value[1:], rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(module(features, identity)[task], other[task])
        torch.testing.assert_close(module(features)[task], value)


def test_depth_from_density_is_the_depth_of_a_wall():
    module = build('density', near=1.0, far=3.0).eval()
    assert list(module.fields.tasks) == ['normals']
    with torch.no_grad():  # an opaque volume: the ray ends in the middle of the first bin
        module.fields.densities['shared'].read_out.bias.fill_(1e4)
    depth = module([torch.randn(1, 4, 6, 8)])['depth']
    torch.testing.assert_close(depth, torch.full_like(depth, 1.2))


@pytest.mark.parametrize('normalize', [True, False])
def test_depth_from_density_in_a_haze(normalize):
    module = build('density', near=1.0, far=3.0, normalize_weights=normalize).eval()
    read_out = module.fields.densities['shared'].read_out
    with torch.no_grad():
        read_out.weight.zero_()
        read_out.bias.fill_(1.0)  # softplus(0) = log 2: each of five bins lets 2^-0.4 pass
    passed = 2 ** (-0.4 * torch.arange(6))
    weights = passed[:-1] - passed[1:]
    expected = (weights * torch.tensor([1.2, 1.6, 2.0, 2.4, 2.8])).sum()
    if normalize:
        expected = expected / weights.sum()
    depth = module([torch.randn(1, 4, 6, 8)])['depth']
    torch.testing.assert_close(depth, expected.expand_as(depth))


@pytest.mark.parametrize(
    ('settings', 'message'),
    [
        (dict(near=2.0, far=1.0), 'near=2.0, far=1.0'),
        (dict(near=0.0), 'near=0.0'),
        (dict(depth_from='colour'), "depth_from='colour'"),
        (dict(depth_from='density', density='per_task'), "depth_from='density' needs"),
        (dict(depth_from='density', tasks=['depth']), "depth_from='density' needs"),
        (dict(depth_from='density', tasks=['normals']), "depth_from='density' needs"),
    ],
)
def test_wrong_settings_are_named(settings, message):
    with pytest.raises(ValueError, match=message):
        build(**settings)
