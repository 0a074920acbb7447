"""Each geometric transform against what geometry says about a synthetic plane and its camera."""

import random
from functools import partial

import cv2
import numpy as np
import pytest

from mtl3d.datasets.transforms import (
    IgnoreBackgroundOnly,
    PackMultiTaskInputs,
    PhotoMetricDistortion,
    RandomCrop,
    RandomFlip,
    RandomScale,
    RandomScaleRotate,
    Resize,
)
from mtl3d.datasets.transforms.functional import (
    resize_directions,
    resize_intrinsics,
    zoom_distances,
)
from mtl3d.geometry.depth_maps import points_of_depth
from mtl3d.structures import LABEL_SPECS

HEIGHT, WIDTH = 60, 84
INTRINSICS = np.array([[70.0, 0, 40.3], [0, 72.0, 31.8], [0, 0, 1]])
#: A plane n . X = d in camera coordinates (x right, y down, z forward), n pointing to the viewer.
PLANE = (np.array([0.25, -0.45, -0.8573214099741123]), -2.0)


def plane_depth(intrinsics, plane=PLANE, shape=(HEIGHT, WIDTH)):
    rows, columns = np.mgrid[: shape[0], : shape[1]]
    rays = np.stack([columns, rows, np.ones(shape)], axis=-1) @ np.linalg.inv(intrinsics).T
    return (plane[1] / (rays @ plane[0])).astype(np.float32)


def plane_item():
    """Image = column and row of each pixel, so that any misalignment shows; a tilted plane."""
    rows, columns = np.mgrid[:HEIGHT, :WIDTH]
    normal = PLANE[0] * (1, -1, -1)  # to the labels' axes: x right, y up, z to the viewer
    results = dict(
        img=np.stack([columns, rows, columns + rows], axis=-1).astype(np.uint8),
        img_shape=(HEIGHT, WIDTH),
        ori_shape=(HEIGHT, WIDTH),
        gt_semseg=(columns // 12 + rows // 20).astype(np.uint8),
        gt_human_parts=(columns % 7).astype(np.uint8),
        gt_depth=plane_depth(INTRINSICS),
        gt_normals=np.tile(normal.astype(np.float32), (HEIGHT, WIDTH, 1)),
        gt_edge=(columns % 12 == 0).astype(np.float32),
        gt_saliency=(rows + columns > 60).astype(np.float32),
        task_fields=['semseg', 'human_parts', 'depth', 'normals', 'edge', 'saliency'],
        intrinsics=INTRINSICS.copy(),
    )
    return results


def keys(results):
    return ['img', *(f'gt_{task}' for task in results['task_fields'])]


GEOMETRIC = dict(
    scale_up=partial(RandomScale.scale, factor=1.37),
    scale_down=partial(RandomScale.scale, factor=0.61),
    crop=RandomCrop(size=(40, 50)),
    flip=RandomFlip.flip,
    zoom_and_turn=lambda r: RandomScaleRotate(scales=[1]).warp(r, degrees=14.0, scale=1.2),
    resize=Resize(size=(48, 100)),
    fit=Resize(size=(48, 100), keep_ratio=True),
)


def fitted_normal(depth, intrinsics):
    """The normal of the plane through all measured points, in the axes of the labels."""
    points = points_of_depth(depth, intrinsics)[depth > 0]
    normal = np.linalg.svd(points - points.mean(axis=0), full_matrices=False)[2][2]
    normal *= -np.sign(normal[2])  # towards the viewer, who looks along +z
    return normal * (1, -1, -1)


@pytest.mark.parametrize('name', GEOMETRIC)
def test_depth_normals_and_intrinsics_describe_one_scene(name):
    """A plane fitted to the changed depth, seen by the changed camera, has the changed normals."""
    results = GEOMETRIC[name](plane_item())
    fitted = fitted_normal(results['gt_depth'], results['intrinsics'])
    labels = results['gt_normals'].reshape(-1, 3)
    labels = labels[(labels != 0).any(axis=1)]
    assert len(labels) > 1000
    assert np.degrees(np.arccos((labels @ fitted).min())) < 0.6


@pytest.mark.parametrize('name', GEOMETRIC)
def test_every_field_keeps_the_size_of_the_image(name):
    results = GEOMETRIC[name](plane_item())
    assert results['img_shape'] == results['img'].shape[:2]
    for key in keys(results):
        assert results[key].shape[:2] == results['img_shape']
        assert results[key].dtype == plane_item()[key].dtype or key == 'img'


@pytest.mark.parametrize('name', GEOMETRIC)
def test_points_project_where_the_picture_shows_them(name):
    """The image stores its old pixel coordinates; project its points by the old and new camera."""
    results = GEOMETRIC[name](plane_item())
    image = results['img'].astype(np.float64)
    points = points_of_depth(results['gt_depth'], results['intrinsics'])
    factor = results.get('scale_factor', (1, 1))[0] if name in SHRINKING else 1.0
    points = points * factor  # the scene was made 1 / f as large
    if results.get('flip'):
        points = points * (-1, 1, 1)
    if name == 'zoom_and_turn':
        angle = np.deg2rad(14.0)  # the scene turned with the picture; turn it back
        cos, sin = np.cos(angle), np.sin(angle)
        points = points @ np.array([[cos, -sin, 0], [sin, cos, 0], [0, 0, 1]]).T
    inner = (slice(12, -12), slice(12, -12))
    pixels = (points @ INTRINSICS.T)[inner]
    pixels = pixels[..., :2] / pixels[..., 2:]
    error = np.abs(pixels - image[inner][..., :2])
    assert error.max() < 1.0, error.max()
    assert error.mean() < 0.35


SHRINKING = ('scale_up', 'scale_down', 'zoom_and_turn')


def test_resized_camera_keeps_the_edges_of_the_picture():
    """Pixel edges are at -1/2 and width - 1/2, before and after."""
    moved = resize_intrinsics(INTRINSICS, (2.0, 0.5))
    left_edge = np.linalg.inv(INTRINSICS) @ (-0.5, -0.5, 1)
    np.testing.assert_allclose(moved @ left_edge, (-0.5, -0.5, 1), atol=1e-12)
    right_edge = np.linalg.inv(INTRINSICS) @ (WIDTH - 0.5, HEIGHT - 0.5, 1)
    expected = (2 * WIDTH - 0.5, HEIGHT / 2 - 0.5, 1)
    np.testing.assert_allclose(moved @ right_edge, expected, atol=1e-12)


def test_resized_camera_follows_opencvs_resize():
    """A horizontal ramp holds its own x coordinate, so a resized ramp tells where pixels went."""
    ramp = np.tile(np.arange(64, dtype=np.float32), (48, 1))
    small = cv2.resize(ramp, (32, 12), interpolation=cv2.INTER_LINEAR)
    moved = resize_intrinsics(np.eye(3), (0.5, 0.25)) @ (small[0, 5], 0, 1)
    assert moved[0] == pytest.approx(5)


def test_two_flips_are_the_identity():
    twice, once = plane_item(), plane_item()
    RandomFlip.flip(RandomFlip.flip(twice))
    RandomFlip.flip(once)
    original = plane_item()
    for key in [*keys(original), 'intrinsics']:
        np.testing.assert_array_equal(twice[key], original[key])
        assert not np.array_equal(once[key], original[key])
    assert once['flip'] is True and twice['flip'] is False


def test_flip_probability():
    random.seed(0)
    flips = sum(RandomFlip(prob=0.25)(plane_item()).get('flip', False) for _ in range(400))
    assert 70 < flips < 130


def test_crop_keeps_fields_aligned_and_follows_the_camera():
    random.seed(3)
    results = RandomCrop(size=(31, 42))(plane_item())
    column, row = (int(v) for v in results['img'][0, 0, :2])
    original = plane_item()
    window = (slice(row, row + 31), slice(column, column + 42))
    for key in keys(original):
        np.testing.assert_array_equal(results[key], original[key][window])
    expected = INTRINSICS - np.array([[0, 0, column], [0, 0, row], [0, 0, 0]])
    np.testing.assert_allclose(results['intrinsics'], expected)


def test_crop_of_a_smaller_image_keeps_it():
    results = RandomCrop(size=(100, 30))(plane_item())
    assert results['img'].shape == (HEIGHT, 30, 3)


def test_crop_avoids_a_dominating_class():
    """Only windows at the right edge show two classes; a blind crop would rarely find them."""
    dominated = plane_item()
    dominated['gt_semseg'][:] = 0
    dominated['gt_semseg'][:, 56:] = 1
    diverse = blind = 0
    for seed in range(60):
        for ratio in (0.75, 1):
            random.seed(seed)
            results = RandomCrop(size=(HEIGHT, 30), cat_max_ratio=ratio)(dict(dominated))
            share = results['gt_semseg'].mean()
            good = 0.25 < share < 0.75
            diverse, blind = diverse + (good and ratio < 1), blind + (good and ratio == 1)
    assert diverse == 60
    assert blind < 40


def test_crop_without_semseg_draws_once():
    results = plane_item()
    results['task_fields'].remove('semseg')
    random.seed(0)
    RandomCrop(size=(10, 10))(results)
    after = random.random()
    random.seed(0)
    random.randint(0, HEIGHT - 10), random.randint(0, WIDTH - 10)
    assert random.random() == after


def test_scale_divides_distances_only():
    results = RandomScale.scale(plane_item(), 2.0)
    np.testing.assert_allclose(results['gt_depth'][::2, ::2], plane_item()['gt_depth'] / 2)
    np.testing.assert_array_equal(results['gt_normals'][::2, ::2], plane_item()['gt_normals'])
    assert results['scale_factor'] == (2.0, 2.0)
    zero = np.zeros((2, 2), np.float32)
    np.testing.assert_array_equal(zoom_distances(zero, LABEL_SPECS['depth'], 0.5), zero)


def test_rotation_marks_the_outside_as_unlabelled():
    results = RandomScaleRotate(scales=[1]).warp(plane_item(), degrees=20.0, scale=0.7)
    corner = {key: results[key][0, 0] for key in keys(results)}
    assert corner['gt_semseg'] == corner['gt_edge'] == corner['gt_human_parts'] == 255
    assert corner['gt_depth'] == 0
    np.testing.assert_array_equal(corner['gt_normals'], 0)


def test_resized_directions_do_not_blend_with_invalid_ones():
    normals = np.zeros((8, 8, 3), np.float32)
    normals[:, 4:, 2] = 1
    resized = resize_directions(normals, (13, 13))
    length = np.linalg.norm(resized, axis=-1)
    assert set(np.unique(length.round(5))) == {0.0, 1.0}


def test_resize_for_inference_leaves_labels_at_the_original_size():
    results = Resize(size=(30, 40), keep_ratio=True, labels=False)(plane_item())
    assert results['img'].shape == (29, 40, 3) or results['img'].shape == (28, 40, 3)
    assert results['gt_depth'].shape == results['ori_shape'] == (HEIGHT, WIDTH)
    same = Resize(size=(100, 100), only_shrink=True)(plane_item())
    assert same['img'].dtype == np.uint8 and same['img'].shape[:2] == (HEIGHT, WIDTH)


def test_a_field_left_behind_is_noticed():
    results = Resize(size=(30, 40), labels=False)(plane_item())
    with pytest.raises(AssertionError, match='gt_'):
        RandomFlip.flip(results)


def test_photometry_changes_colours_only():
    random.seed(1)
    results = PhotoMetricDistortion()(plane_item())
    original = plane_item()
    assert results['img'].dtype == np.uint8
    assert not np.array_equal(results['img'], original['img'])
    for key in keys(original)[1:]:
        np.testing.assert_array_equal(results[key], original[key])


def test_background_only_parts_are_ignored():
    some, none = plane_item(), plane_item()
    none['gt_human_parts'] = np.zeros((HEIGHT, WIDTH), np.uint8)
    none['gt_human_parts'][:5] = 255
    assert (IgnoreBackgroundOnly()(none)['gt_human_parts'] == 255).all()
    kept = IgnoreBackgroundOnly()(some)['gt_human_parts']
    np.testing.assert_array_equal(kept, plane_item()['gt_human_parts'])


def test_pack_follows_the_label_table():
    results = plane_item() | dict(img_id='7', img_path='x.png')
    packed = PackMultiTaskInputs()(results)
    assert packed['inputs'].shape == (3, HEIGHT, WIDTH)
    assert packed['inputs'].dtype.is_floating_point is False
    sample = packed['data_samples']
    assert set(sample.gt.keys()) == set(results['task_fields'])
    for task, label in sample.gt.items():
        spec = LABEL_SPECS[task]
        assert label.shape == (spec.channels, HEIGHT, WIDTH)
        assert label.dtype == spec.dtype
    assert sample.img_id == '7' and sample.ori_shape == (HEIGHT, WIDTH)
    np.testing.assert_array_equal(sample.intrinsics, INTRINSICS)


@pytest.mark.parametrize(
    ('build', 'message'),
    [
        (lambda: RandomScale(ratio_range=(0, 2)), 'ratio_range'),
        (lambda: RandomCrop(size=(4, 4), cat_max_ratio=0), 'cat_max_ratio'),
        (lambda: RandomFlip(prob=2), 'prob'),
        (lambda: RandomScaleRotate(), 'scale_range'),
        (lambda: RandomScaleRotate(scales=[1], border='black'), 'border'),
        (lambda: RandomScaleRotate(scales=[1], normals_y='left'), 'normals_y'),
    ],
)
def test_bad_arguments_are_named(build, message):
    with pytest.raises(ValueError, match=message):
        build()
