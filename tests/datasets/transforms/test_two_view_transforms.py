"""Augmented pairs of views: depth of one, carried by cameras, is the depth of the other."""

import random

import numpy as np
import pytest

from mtl3d.datasets.synthesis.render import render_room
from mtl3d.datasets.synthesis.scene import random_room
from mtl3d.datasets.transforms import (
    PackMultiTaskInputs,
    PhotoMetricDistortion,
    RandomCrop,
    RandomFlip,
    RandomScale,
    RandomScaleRotate,
    Resize,
)
from mtl3d.geometry.depth_maps import depth_residual, overlap, points_of_depth

UP = np.diag([1.0, -1.0, -1.0])  # the labels' axes: y up, z towards the viewer


@pytest.fixture(scope='module')
def rendered():
    scene = random_room(np.random.default_rng(4), size=(96, 128), num_views=2, arc_degrees=8)
    return render_room(scene, samples=1)


def as_results(view):
    return dict(
        img_id='x', img=view.image, img_shape=(96, 128), ori_shape=(96, 128),
        gt_depth=view.depth.astype(np.float32), gt_normals=(view.normals @ UP).astype(np.float32),
        task_fields=['depth', 'normals'], intrinsics=view.camera.intrinsics.copy(),
        pose=view.camera.camera_to_world.copy(),
    )  # fmt: skip


@pytest.fixture
def pair(rendered):
    first, second = map(as_results, rendered)
    return first | dict(second=second)


def pack(results, **settings):
    return PackMultiTaskInputs(**settings).transform(results)['data_samples']


def residual(sample, pose=None):
    """Relative difference between the second view's depth and the first's along its points."""
    return depth_residual(
        sample.second.gt.depth[0].numpy(),
        sample.second.intrinsics,
        sample.gt.depth[0].numpy(),
        sample.intrinsics,
        sample.relative_pose if pose is None else pose,
    )


def assert_consistent(sample):
    error = residual(sample)
    assert np.nanmedian(np.abs(error)) < 0.004
    assert overlap(error, sample.second.gt.depth[0].numpy()) > 0.4
    # Normals agree as well: turned by the pose, those of the second view are those of the first.
    visible = np.abs(np.nan_to_num(error, nan=1)) < 0.02
    points = points_of_depth(sample.second.gt.depth[0].numpy(), sample.second.intrinsics)[visible]
    rotation, shift = sample.relative_pose[:3, :3], sample.relative_pose[:3, 3]
    pixels = (points @ rotation.T + shift) @ sample.intrinsics.T
    column, row = np.round(pixels[:, :2] / pixels[:, 2:]).astype(int).T
    expected = sample.second.gt.normals.numpy()[:, visible].T @ (UP @ rotation @ UP).T
    cosine = (sample.gt.normals.numpy()[:, row, column].T * expected).sum(axis=1)
    assert np.median(cosine) > 0.9999


def test_untouched_views_are_consistent(pair):
    sample = pack(pair)
    assert_consistent(sample)
    inverse = np.linalg.inv(sample.relative_pose)
    assert np.nanmedian(np.abs(residual(sample, inverse))) > 0.03


CHANGES = dict(
    zoom_in=lambda r: RandomScale.scale(r, 1.37),
    zoom_out=lambda r: RandomScale.scale(r, 0.6),
    flip=RandomFlip.flip,
    turn=lambda r: RandomScaleRotate(scales=[1.0]).warp(r, 14.0, 1.25),
    resize=Resize(size=(60, 100)).transform,
    crop=RandomCrop(size=(72, 80)).transform,
)


@pytest.mark.parametrize('change', CHANGES)
def test_views_stay_consistent_under(change, pair):
    random.seed(2)
    sample = pack(CHANGES[change](pair))
    assert sample.gt.depth.shape == sample.second.gt.depth.shape
    assert_consistent(sample)


def test_views_stay_consistent_under_all_changes_together(pair):
    random.seed(5)
    for change in ('zoom_in', 'crop', 'flip'):
        pair = CHANGES[change](pair)
    sample = pack(PhotoMetricDistortion().transform(pair))
    assert_consistent(sample)
    assert (sample.flip, sample.second.flip) == (True, True)
    assert not np.allclose(sample.intrinsics, sample.second.intrinsics)  # windows of their own


@pytest.mark.parametrize('change', ['zoom_in', 'flip', 'turn'])
def test_the_original_pose_is_wrong_afterwards(change, pair):
    """That the poses follow matters: the tolerance above would notice."""
    original = pack(dict(pair) | dict(second=dict(pair['second']))).relative_pose
    sample = pack(CHANGES[change](pair))
    assert np.nanmedian(np.abs(residual(sample, original))) > 0.008


def test_the_second_image_is_kept_on_request(pair):
    assert 'image' not in pack(pair).second
    sample = pack(pair, second_image=True)
    np.testing.assert_array_equal(sample.second.image.permute(1, 2, 0), pair['second']['img'])


def test_a_single_view_has_no_second(pair):
    del pair['second'], pair['pose'], pair['intrinsics']
    sample = pack(pair)
    assert 'second' not in sample
    assert 'relative_pose' not in sample


def broken(name, value):
    return lambda view: view.update({name: value})


@pytest.mark.parametrize('which', ['first', 'second'])
@pytest.mark.parametrize(
    ('change', 'message'),
    [
        (lambda view: view.pop('pose'), "pose of the image 'x' is missing"),
        (lambda view: view.pop('intrinsics'), "intrinsics of the image 'x' is missing"),
        (broken('intrinsics', np.diag([0.0, 10, 1])), "intrinsics of the image 'x' is singular"),
        (broken('pose', np.diag([2.0, 1, 1, 1])), "pose of the image 'x' is not a rigid motion"),
        (broken('pose', np.diag([-1.0, 1, 1, 1])), "pose of the image 'x' is a reflection"),
        (broken('pose', np.full((4, 4), np.nan)), "pose of the image 'x' has a value"),
    ],
)
def test_impossible_cameras_are_named(which, change, message, pair):
    change(pair if which == 'first' else pair['second'])
    with pytest.raises(ValueError, match=message):
        pack(pair)
