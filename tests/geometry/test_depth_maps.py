"""Points and normals of depth maps, against closed forms."""

import numpy as np
import pytest

from mtl3d.geometry.depth_maps import depth_residual, normals_from_depth, overlap, points_of_depth

INTRINSICS = np.array([[50.0, 0, 20.0], [0, 60.0, 15.0], [0, 0, 1]])
SHAPE = (30, 40)


def plane(normal, offset):
    """Depth of the plane normal . X = offset (x right, y down, z forward)."""
    rows, columns = np.mgrid[: SHAPE[0], : SHAPE[1]]
    x, y = (columns - 20.0) / 50.0, (rows - 15.0) / 60.0
    return offset / (normal[0] * x + normal[1] * y + normal[2])


def test_backprojection_of_known_pixels():
    points = points_of_depth(np.full(SHAPE, 2.0), INTRINSICS)
    np.testing.assert_allclose(points[15, 20], (0, 0, 2))
    np.testing.assert_allclose(points[15, 39], (19 / 50 * 2, 0, 2))
    np.testing.assert_allclose(points[0, 20], (0, -15 / 60 * 2, 2))


@pytest.mark.parametrize('radius', [1, 3])
@pytest.mark.parametrize(
    'normal',
    [
        (0, 0, -1),
        (0.6, 0, -0.8),
        (-0.6, 0, -0.8),
        (0, 0.6, -0.8),
        (0, -0.6, -0.8),
        (0.3, -0.5, -0.8),
    ],
)
def test_normals_of_a_plane(normal, radius):
    unit = np.array(normal) / np.linalg.norm(normal)
    normals = normals_from_depth(plane(unit, -2.0), INTRINSICS, radius=radius, max_jump=0.2)
    inner = normals[radius:-radius, radius:-radius]
    expected = np.broadcast_to(unit * (1, -1, -1), inner.shape)  # x right, y up, z to the viewer
    np.testing.assert_allclose(inner, expected, atol=1e-5)
    assert (normals[0] == 0).all() and (normals[:, -1] == 0).all()


def test_a_floor_points_up_and_a_left_wall_to_the_right():
    rows, columns = np.mgrid[: SHAPE[0], : SHAPE[1]].astype(float)
    below, left = rows > 16, columns < 18
    floor = np.where(below, 60.0 / np.where(below, rows - 15, 1), 0)  # y = 1 m
    wall = np.where(left, 50.0 / np.where(left, 20 - columns, 1), 0)  # x = -1 m
    up = normals_from_depth(floor, INTRINSICS, max_jump=1)
    right = normals_from_depth(wall, INTRINSICS, max_jump=1)
    np.testing.assert_allclose(up[19:-1, 1:-1], np.broadcast_to((0, 1, 0), (10, 38, 3)), atol=1e-6)
    np.testing.assert_allclose(
        right[1:-1, 1:16], np.broadcast_to((1, 0, 0), (28, 15, 3)), atol=1e-6
    )


def test_missing_depth_and_jumps_are_invalid():
    depth = np.full(SHAPE, 2.0)
    depth[10, 10] = 0
    depth[:, 25:] = 3.0
    normals = normals_from_depth(depth, INTRINSICS)
    valid = (normals != 0).any(axis=-1)
    assert not valid[10, 9] and not valid[9, 10] and not valid[10, 10] and valid[9, 9]
    assert not valid[15, 24] and not valid[15, 25] and valid[15, 23] and valid[15, 26]
    assert not normals_from_depth(depth[:2], INTRINSICS).any()


def sideways(x):
    """The motion to a camera x metres to the right."""
    pose = np.eye(4)
    pose[0, 3] = -x
    return pose


def test_a_plane_is_seen_at_its_depth_from_the_side():
    """At 2 m a step of 0.4 m moves the picture by 10 of 40 columns."""
    depth = np.full(SHAPE, 2.0)
    residual = depth_residual(depth, INTRINSICS, depth, INTRINSICS, sideways(0.4))
    assert np.isnan(residual[:, :10]).all()
    np.testing.assert_allclose(residual[:, 10:], 0, atol=1e-12)
    assert overlap(residual, depth) == 0.75


def test_what_stands_in_front_is_negative_and_does_not_overlap():
    depth, other = np.full(SHAPE, 2.0), np.full(SHAPE, 2.0)
    depth[:5] = 0  # not measured: neither seen nor counted
    other[5:10, :20] = 1.5
    other[10:15, :20] = 0
    residual = depth_residual(depth, INTRINSICS, other, INTRINSICS, np.eye(4))
    assert np.isnan(residual[:5]).all() and np.isnan(residual[10:15, :20]).all()
    np.testing.assert_allclose(residual[5:10, :20], -0.25)
    assert overlap(residual, depth) == pytest.approx(800 / 1000)
    assert overlap(residual, depth, tolerance=0.3) == pytest.approx(900 / 1000)


def test_nothing_is_seen_behind_the_camera():
    depth = np.full(SHAPE, 2.0)
    backwards = np.diag([-1.0, 1, -1, 1])
    assert np.isnan(depth_residual(depth, INTRINSICS, depth, INTRINSICS, backwards)).all()
    assert overlap(np.full(SHAPE, np.nan), np.zeros(SHAPE)) == 0
