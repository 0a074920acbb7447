"""Cameras: inverse pairs, closed forms, and five real frames with known poses."""

import math
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from mtl3d import geometry as g

K = torch.tensor([[518.0, 0, 325.5], [0, 519.0, 253.5], [0, 0, 1]], dtype=torch.float64)
FRAMES = Path(__file__).parents[3] / 'shared' / 'data' / 'rgbd_frames'


def rigid(angle: float, translation: tuple[float, float, float]) -> torch.Tensor:
    pose = torch.eye(4, dtype=torch.float64)
    pose[0, 0] = pose[2, 2] = math.cos(angle)
    pose[0, 2], pose[2, 0] = math.sin(angle), -math.sin(angle)
    pose[:3, 3] = torch.tensor(translation)
    return pose


def test_projection_undoes_backprojection():
    pixels = g.pixel_grid(6, 8, K)
    depth = torch.rand(6, 8, dtype=torch.float64) + 0.5
    back, back_depth = g.project(g.backproject(pixels, depth, K), K)
    assert torch.allclose(back, pixels)
    assert torch.allclose(back_depth, depth)


def test_points_behind_the_camera_stay_finite_and_outside():
    points = torch.tensor([[0.1, 0.2, -1.0], [0.0, 0.0, 0.0]], dtype=torch.float64)
    coordinates, inside = g.frustum_coordinates(points, K, (480, 640), 0.1, 10)
    assert coordinates.isfinite().all()
    assert not inside.any()


def test_the_views_own_rays_are_parallel_to_the_third_axis():
    pixels = g.pixel_grid(480, 640, K)[::60, ::80]
    first, _ = g.frustum_coordinates(g.backproject(pixels, torch.full((8, 8), 0.1).double(), K), K,
                                     (480, 640), 0.1, 10)  # fmt: skip
    last, _ = g.frustum_coordinates(g.backproject(pixels, torch.full((8, 8), 10.0).double(), K), K,
                                    (480, 640), 0.1, 10)  # fmt: skip
    assert torch.allclose(first[..., :2], last[..., :2])
    assert torch.allclose(first[..., 2], torch.tensor(-1.0).double())
    assert torch.allclose(last[..., 2], torch.tensor(1.0).double())
    # grid_sample's convention: the centre of the first of W pixels is at -1 + 1/W.
    assert first[0, 0, 0].item() == pytest.approx(-1 + 1 / 640)


def test_relative_pose_takes_source_to_target():
    target, source = rigid(0.3, (1, 2, 3)), rigid(-0.5, (0, 1, 0))
    point = torch.tensor([0.3, -0.2, 2.0], dtype=torch.float64)
    moved = g.transform(point, g.relative_pose(target, source))
    assert torch.allclose(g.transform(moved, target), g.transform(point, source))


@pytest.mark.parametrize(
    ('bad', 'message'),
    [
        (torch.zeros(3, 3), 'focal lengths must be positive'),
        (torch.full((3, 3), float('nan')), 'not finite'),
        (torch.eye(4), r'must be \(..., 3, 3\)'),
        (torch.eye(3) * 2, r'row \(0, 0, 1\)'),
    ],
)
def test_bad_intrinsics_are_refused(bad, message):
    with pytest.raises(ValueError, match=message):
        g.check_intrinsics(bad)


@pytest.mark.parametrize(
    ('bad', 'message'),
    [
        (torch.eye(3), r'must be \(..., 4, 4\)'),
        (torch.diag(torch.tensor([2.0, 1, 1, 1])), 'not a rigid motion'),
        (rigid(0.3, (1, 2, 3)).T, 'not a rigid motion'),
        (torch.diag(torch.tensor([-1.0, 1, 1, 1])), 'reflection'),
        (torch.full((4, 4), float('inf')), 'not finite'),
    ],
)
def test_bad_poses_are_refused(bad, message):
    with pytest.raises(ValueError, match=message):
        g.check_pose(bad)


def test_near_and_far_must_be_ordered():
    with pytest.raises(ValueError, match='0 < near < far'):
        g.frustum_coordinates(torch.ones(1, 3), K.float(), (4, 4), 1.0, 0.5)


@pytest.mark.skipif(not FRAMES.is_dir(), reason=f'real frames not present at {FRAMES}')
@pytest.mark.parametrize('first', [1, 2, 3, 4])
def test_real_frames_warp_onto_each_other(first):
    from scipy.spatial.transform import Rotation

    def pose(row):
        matrix = torch.eye(4, dtype=torch.float64)
        matrix[:3, :3] = torch.from_numpy(Rotation.from_quat(row[3:]).as_matrix())
        matrix[:3, 3] = torch.from_numpy(row[:3])
        return matrix

    def depth(index):
        image = cv2.imread(str(FRAMES / 'depth' / f'{index}.pgm'), cv2.IMREAD_UNCHANGED)
        return torch.from_numpy(image.astype(np.float64) / 1000)

    rows = np.loadtxt(FRAMES / 'pose.txt')
    source, target = depth(first), depth(first + 1)
    motion = g.relative_pose(pose(rows[first]), pose(rows[first - 1]))
    points = g.backproject(g.pixel_grid(480, 640, K), source, K)[source > 0]
    pixels, warped = g.project(g.transform(points, motion), K)
    x, y = pixels.round().long().T
    seen = (warped > 0) & (x >= 0) & (x < 640) & (y >= 0) & (y < 480)
    measured = target[y[seen], x[seen]]
    valid = measured > 0
    residual = ((warped[seen] - measured).abs() / measured)[valid].median()
    assert residual < 0.03
