"""Whole pipelines and single steps against numbers made by the original programs (OpenCV 5.0)."""

import random
from pathlib import Path

import cv2
import numpy as np
import pytest
from mmengine.dataset import Compose

from mtl3d.datasets.pascal_context import edges_from_label_map
from mtl3d.datasets.transforms import (
    IgnoreBackgroundOnly,
    PackMultiTaskInputs,
    RandomFlip,
    RandomScale,
    RandomScaleRotate,
    Resize,
)
from mtl3d.datasets.transforms.functional import (
    adjust_linear,
    adjust_saturation,
    rotate_directions,
    shift_hue,
)
from mtl3d.models.data_preprocessor import MultiTaskDataPreprocessor
from mtl3d.registry import TRANSFORMS
from mtl3d.structures import LABEL_SPECS

DATA = Path(__file__).parents[2] / 'data' / 'transforms'
SIZES = dict(nyud=(448, 576), pascal=(512, 512))
OURS = dict(sal='saliency')


def golden(name):
    with np.load(DATA / f'{name}_transforms.npz') as file:
        return {key: file[key] for key in file.files}


@pytest.fixture(scope='module')
def invpt():
    return golden('invpt')


@pytest.fixture(scope='module')
def atrc():
    return golden('atrc')


@pytest.fixture(scope='module')
def survey():
    return golden('survey')


def item(image, labels):
    """A loaded item; labels in the original programs' layout and float type."""
    results = dict(
        img=image.astype(np.uint8),
        ori_shape=image.shape[:2],
        img_shape=image.shape[:2],
        task_fields=[],
    )
    for name, label in labels.items():
        task = OURS.get(name, name)
        dtype = np.uint8 if LABEL_SPECS[task].kind == 'class' else np.float32
        label = label[..., 0] if label.shape[-1:] == (1,) else label
        results[f'gt_{task}'] = np.ascontiguousarray(label.astype(dtype))
        results['task_fields'].append(task)
    return results


def invpt_sample(dataset, seed):
    rng = np.random.default_rng(100 + seed)
    height, width = (425, 560) if dataset == 'nyud' else (375, 500)

    def grid(count):
        blocks = rng.integers(0, count, (height // 25 + 1, width // 20 + 1))
        return np.kron(blocks, np.ones((25, 20)))[:height, :width, None]

    def normals(dtype):
        return 2 * rng.integers(0, 256, (height, width, 3)).astype(dtype) / 255 - 1

    image = rng.integers(0, 256, (height, width, 3))
    labels = dict(edge=rng.random((height, width, 1)) < 0.1)
    if dataset == 'nyud':
        labels['semseg'] = grid(41) - 1
        labels['semseg'][labels['semseg'] == -1] = 255
        labels['normals'] = normals(np.float32)
        labels['depth'] = rng.random((height, width, 1)) * 9
        labels['depth'][:20] = 0
    else:
        labels['human_parts'] = grid(7)
        labels['semseg'] = grid(21)
        labels['normals'] = normals(np.float64)
        labels['normals'][:60] = 0
        labels['sal'] = rng.random((height, width, 1)) < 0.3
    return item(image, labels)


def pipeline(size, train):
    steps = []
    if train:
        steps = [
            dict(type='RandomScale'),
            dict(type='RandomCrop', size=size),
            dict(type='RandomFlip'),
            dict(type='PhotoMetricDistortion'),
        ]
    steps += [dict(type='IgnoreBackgroundOnly'), dict(type='PackMultiTaskInputs')]
    return Compose([TRANSFORMS.build(step) for step in steps])


def original_codes(task, label):
    """Our "no label" of depth and normals, written as theirs: 255 in all channels."""
    label = label.astype(np.float32)
    if LABEL_SPECS[task].kind == 'continuous':
        label = np.where((label == 0).all(axis=0), np.float32(255), label)
    return label


@pytest.mark.parametrize(
    ('dataset', 'split', 'seed'),
    [(d, 'train', s) for d in SIZES for s in range(6)] + [(d, 'val', 0) for d in SIZES],
)
def test_pipeline_and_preprocessor_equal_the_official_ones(invpt, dataset, split, seed):
    """Labels to the bit, images to the rounding of (x - 255 m) / 255 s versus (x / 255 - m) / s."""
    sample = invpt_sample(dataset, seed)
    random.seed(seed)
    packed = pipeline(SIZES[dataset], train=split == 'train')(sample)
    assert random.random() == invpt[f'{dataset}.{split}.{seed}.next_random']

    preprocessor = MultiTaskDataPreprocessor(size=SIZES[dataset])
    batch = preprocessor(
        dict(inputs=[packed['inputs']], data_samples=[packed['data_samples']]), training=True
    )
    image = batch['inputs'][0].numpy()
    prefix = f'{dataset}.{split}.{seed}'
    np.testing.assert_allclose(image[:, ::16, ::16], invpt[f'{prefix}.image'], rtol=0, atol=1e-6)
    mean, std, largest, _ = invpt[f'{prefix}.image.stat']
    assert image.mean(dtype=np.float64) == pytest.approx(mean, abs=1e-6)
    assert image.std(dtype=np.float64) == pytest.approx(std, abs=1e-6)
    assert np.abs(image).max() == pytest.approx(largest, abs=1e-6)

    names = [k.split('.')[3] for k in invpt if k.startswith(prefix) and k.endswith('.stat')]
    assert len(names) == (5 if dataset == 'nyud' else 6)
    for name in set(names) - {'image'}:
        task = OURS.get(name, name)
        label = original_codes(task, batch['data_samples'][0].gt.get(task).numpy())
        np.testing.assert_array_equal(label[:, ::16, ::16], invpt[f'{prefix}.{name}'])
        mean, std, largest, count = invpt[f'{prefix}.{name}.stat']
        assert np.count_nonzero(label == 255) == count
        assert np.abs(label).max() == largest
        assert label.mean(dtype=np.float64) == pytest.approx(mean, rel=1e-6, abs=1e-6)
        assert label.std(dtype=np.float64) == pytest.approx(std, rel=1e-6)


def atrc_item(atrc):
    labels = {k[3:]: v for k, v in atrc.items() if k.startswith('in.')}
    return item(labels.pop('image'), labels)


@pytest.mark.parametrize('factor', [0.7, 1.3])
def test_scale_equals_atrc(atrc, factor):
    results = RandomScale.scale(atrc_item(atrc), factor)
    np.testing.assert_allclose(results['img'], atrc[f'scale{factor}.image'], atol=1e-4)
    for task in results['task_fields']:
        name = 'sal' if task == 'saliency' else task
        expected = atrc[f'scale{factor}.{name}'].squeeze()
        tolerance = 1e-6 if task == 'depth' else 0
        np.testing.assert_allclose(results[f'gt_{task}'], expected, rtol=tolerance, atol=0)


def test_flip_equals_atrc(atrc):
    results = RandomFlip.flip(atrc_item(atrc))
    for task in ('img', *results['task_fields']):
        name = dict(saliency='sal', img='image').get(task, task)
        key = 'img' if task == 'img' else f'gt_{task}'
        np.testing.assert_array_equal(results[key], atrc[f'flip.{name}'].squeeze())


def test_val_pipeline_equals_atrc(atrc):
    packed = pipeline((20, 30), train=False)(atrc_item(atrc))
    batch = MultiTaskDataPreprocessor(size=(20, 30))(
        dict(inputs=[packed['inputs']], data_samples=[packed['data_samples']]), training=True
    )
    np.testing.assert_allclose(batch['inputs'][0].numpy(), atrc['val.image'], atol=1e-6)
    for task, label in batch['data_samples'][0].gt.items():
        name = 'sal' if task == 'saliency' else task
        np.testing.assert_array_equal(original_codes(task, label.numpy()), atrc[f'val.{name}'])


def test_photometry_equals_atrc(atrc):
    image = atrc['in.image'].astype(np.uint8)
    np.testing.assert_array_equal(adjust_linear(image, offset=20.5), atrc['photo.bright+20.5'])
    np.testing.assert_array_equal(adjust_linear(image, gain=1.3), atrc['photo.contrast1.3'])
    np.testing.assert_array_equal(adjust_saturation(image, 0.6), atrc['photo.sat0.6'])
    np.testing.assert_array_equal(shift_hue(image, -11), atrc['photo.hue-11'])


def survey_item(survey):
    labels = {k[3:]: v for k, v in survey.items() if k.startswith('in/')}
    results = item(labels.pop('image'), labels)
    results['img'] = survey['in/image']
    return results


def unit(vectors):
    length = np.linalg.norm(vectors, axis=-1, keepdims=True)
    return vectors / np.where(length == 0, 1, length)


def angles(ours, theirs):
    """Degrees between vectors, and where both are valid.

    The validity differs along borders: OpenCV's cubic warp of float64 arrays, which the original
    program used, drops pixels with a tap outside, its warp of float32 arrays does not.
    """
    valid = (ours != 0).any(axis=-1) & (theirs != 0).any(axis=-1)
    cosine = (ours * unit(theirs)).sum(axis=-1)[valid]
    return np.degrees(np.arccos(np.clip(cosine, -1, 1))), valid


@pytest.mark.parametrize(
    ('key', 'degrees', 'scale'),
    [
        ('rot13_scale1.15', 13, 1.15),
        ('rot-17_scale0.8', -17, 0.8),
        ('rot0_scale1.5', 0, 1.5),
    ],
)
def test_scale_and_rotation_equal_the_survey(survey, key, degrees, scale):
    """Exact, but for two repairs: cubic overshoot is clipped, and normals are unit vectors."""
    transform = RandomScaleRotate(degrees=20, scale_range=(1, 1), normals_y='down', border='zero')
    results = transform.warp(survey_item(survey), degrees, scale)
    expected = survey[f'{key}/image'].clip(0, 255)
    np.testing.assert_allclose(results['img'], expected, atol=1e-3)
    for name in ('semseg', 'human_parts', 'sal', 'edge', 'depth'):
        ours = results[f'gt_{OURS.get(name, name)}']
        np.testing.assert_allclose(ours, survey[f'{key}/{name}'], rtol=1e-6, atol=0)
    error, valid = angles(results['gt_normals'], survey[f'{key}/normals'])
    assert valid.mean() > 0.4
    assert error.max() < 0.1


@pytest.mark.parametrize(('key', 'degrees', 'scale'), [('rot-17_scale0.8', -17, 0.8)])
def test_rotated_normals_equal_the_survey_exactly(survey, key, degrees, scale):
    rotated = rotate_directions(survey['in/normals'], degrees, y_up=False)
    height, width = rotated.shape[:2]
    matrix = cv2.getRotationMatrix2D((width / 2, height / 2), degrees, scale)
    warped = cv2.warpAffine(rotated, matrix, (width, height), flags=cv2.INTER_CUBIC)
    np.testing.assert_allclose(warped, survey[f'{key}/normals'], atol=1e-12)


def test_flip_equals_the_survey(survey):
    results = RandomFlip.flip(survey_item(survey))
    for name in ('semseg', 'human_parts', 'sal', 'edge', 'depth', 'normals'):
        ours = results[f'gt_{OURS.get(name, name)}']
        np.testing.assert_array_equal(ours, survey[f'hflip/{name}'].astype(np.float32))


def test_resize_equals_the_survey(survey):
    results = Resize(size=(64, 64), cubic=True)(survey_item(survey))
    np.testing.assert_allclose(results['img'], survey['resize64/image'].clip(0, 255), atol=1e-3)
    for name in ('semseg', 'human_parts', 'sal', 'edge', 'depth'):
        ours = results[f'gt_{OURS.get(name, name)}']
        np.testing.assert_array_equal(ours, survey[f'resize64/{name}'])
    error, _ = angles(results['gt_normals'], survey['resize64/normals'])
    assert error.max() < 0.1


def test_chain_equals_the_survey(survey):
    """Labels exactly; the image but for wrapped-around overshoot; normals but for their repair."""
    results = survey_item(survey)
    transform = RandomScaleRotate(degrees=20, scale_range=(1, 1), normals_y='down', border='zero')
    results = transform.warp(results, 13, 1.15)
    results = IgnoreBackgroundOnly()(Resize(size=(64, 64), cubic=True)(results))
    gt = PackMultiTaskInputs()(results)['data_samples'].gt
    key = 'rot13_scale1.15_resize64_ignore_tensor_norm'
    for name in ('semseg', 'human_parts', 'sal', 'edge', 'depth'):
        task = OURS.get(name, name)
        ours = original_codes(task, gt.get(task).numpy())
        np.testing.assert_allclose(ours, survey[f'{key}/{name}'], rtol=1e-6)
    theirs = survey[f'{key}/normals'].transpose(1, 2, 0)
    theirs = np.where((theirs == 255).all(axis=-1, keepdims=True), 0, theirs)
    error, valid = angles(gt.normals.numpy().transpose(1, 2, 0), theirs)
    assert valid.mean() > 0.8 and np.median(error) < 0.1 and (error < 1).mean() > 0.9
    mean, std = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
    image = (np.trunc(results['img']) / 255 - mean) / std
    difference = np.abs(image - survey[f'{key}/image'].transpose(1, 2, 0))
    assert (difference < 1e-5).mean() > 0.95


def test_pascal_edges_equal_the_survey(survey):
    edges = edges_from_label_map(survey['pascal_edge/LabelMap'])
    np.testing.assert_array_equal(edges, survey['pascal_edge/edge'])
