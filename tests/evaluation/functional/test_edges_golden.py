"""Boundary evaluation against the original programs' numbers.

The data are synthetic maps; `cntR` and `cntP` are runs of the original BSDS500 matching program
with reseeded random numbers, `nms` and `sumP` come from the original filters and from thinning that
equals MATLAB's.
"""

from pathlib import Path

import numpy as np
import pytest

from mtl3d.evaluation.functional.edges import (
    PROTOCOLS,
    evaluate_image,
    ground_truth,
    nms,
    thin,
)
from mtl3d.evaluation.functional.edges.matching import count_matches, match_distance
from mtl3d.evaluation.functional.edges.thinning import ThinMaps

DATA = Path(__file__).parents[2] / 'data' / 'edges'
SMALL = ('edges_small_nyud', 'edges_small_pascal')
LARGE = ('edges_nyud_typical', 'edges_pascal_landscape')
NMS_CASES = sorted(
    name.removeprefix('in_')
    for name in np.load(DATA / 'edges_nms_small.npz').files
    if name.startswith('in_')
)


def load(name):
    with np.load(DATA / f'{name}.npz') as data:
        case = dict(data)
    width = case['shape'][1]
    case['gt'] = np.unpackbits(case['gt_thin'][0], axis=-1)[:, :width].astype(bool)
    case['thin_maps'] = np.unpackbits(case['thin_maps'], axis=-1)[..., :width].astype(bool)
    return case


def evaluate(case, **options):
    return evaluate_image(case['prob_png'], case['gt'], max_dist=float(case['max_dist']), **options)


@pytest.mark.parametrize('name', NMS_CASES)
def test_nms_is_bit_equal_to_the_original(name):
    data = np.load(DATA / 'edges_nms_small.npz')
    np.testing.assert_array_equal(nms(data[f'in_{name}']), data[f'out_{name}'])


@pytest.mark.parametrize('name', SMALL + LARGE)
def test_nms_of_photo_sized_maps_is_bit_equal(name):
    case = load(name)
    np.testing.assert_array_equal(nms(case['prob_png']), case['nms'])


@pytest.mark.parametrize('name', SMALL + LARGE)
def test_ground_truth_route(name):
    case = load(name)
    kind = {'labelmap': 'label_map', 'edge_png': 'edge_image'}[str(case['gt_route'])]
    np.testing.assert_array_equal(ground_truth(case['gt_input'][0], kind), case['gt'])


@pytest.mark.parametrize('name', SMALL + LARGE)
def test_thinned_maps(name):
    case = load(name)
    for index, expected in zip(case['thin_index'], case['thin_maps'], strict=True):
        mask = case['nms'] > np.float32(case['thresholds'][index])
        np.testing.assert_array_equal(thin(mask), expected)


@pytest.mark.parametrize('name', SMALL + LARGE)
def test_sums_and_maximum_matching_are_exact(name):
    case = load(name)
    counts = evaluate(case, matcher='max')
    np.testing.assert_array_equal(counts[:, 0], case['cntR_max'])
    np.testing.assert_array_equal(counts[:, 1], case['sumR'])
    np.testing.assert_array_equal(counts[:, 2], case['cntR_max'])
    np.testing.assert_array_equal(counts[:, 3], case['sumP'])
    np.testing.assert_array_equal(PROTOCOLS['seism'].thresholds, case['thresholds'])


@pytest.mark.parametrize('name', SMALL + LARGE)
def test_randomised_matching_has_the_distribution_of_the_original(name):
    case = load(name)
    runs = np.stack([evaluate(case, seed=seed) for seed in range(6)])[..., 0]
    reference = case['cntR']
    assert (runs <= case['cntR_max']).all()
    error = np.sqrt(
        runs.var(axis=0, ddof=1) / len(runs) + reference.var(axis=0, ddof=1) / len(reference)
    )
    z = (runs.mean(axis=0) - reference.mean(axis=0)) / np.maximum(error, 0.25)
    assert abs(z.mean()) < 0.5
    assert np.mean(np.abs(z) > 4) <= 0.02
    assert z.std() < 1.5


@pytest.mark.parametrize('name', LARGE)
def test_randomised_matching_loses_as_many_pairs_as_the_original(name):
    """The loss is largest near the best threshold; a matcher that loses nothing must fail here."""
    case = load(name)
    runs = np.stack([evaluate(case, seed=seed) for seed in range(6)])[..., 0]
    loss = (case['cntR_max'] - runs).sum(axis=1)
    expected = (case['cntR_max'] - case['cntR']).sum(axis=1)
    spread = np.sqrt(loss.var(ddof=1) / len(loss) + expected.var(ddof=1) / len(expected))
    assert expected.mean() > 20
    assert abs(loss.mean() - expected.mean()) < 4 * spread


def matching_cases():
    data = dict(np.load(DATA / 'edges_matching_small.npz'))
    width = data['shape'][1]
    for index, name in enumerate(data['names']):
        pred, gt = (
            np.unpackbits(data[key][index], axis=-1)[:, :width].astype(bool)
            for key in ('pred', 'gt')
        )
        pixels = np.flatnonzero(pred).astype(np.int32)
        maps = ThinMaps(pixels, np.array([0, pixels.size]), pred.shape)
        radius = match_distance(pred.shape, float(data['max_dist'][index]))
        yield str(name), maps, gt, radius, data['count'][index], int(data['count_max'][index])


def test_small_matchings_are_exact():
    for name, maps, gt, radius, _, expected in matching_cases():
        assert count_matches(maps, gt, radius=radius, seed=None).item() == expected, name


def test_small_randomised_matchings():
    """Across all cases, since the original ran each of them only six times."""
    losses, variances, expected = [], [], []
    for index, (_, maps, gt, radius, runs, maximum) in enumerate(matching_cases()):
        counts = np.array(
            [
                count_matches(maps, gt, radius=radius, seed=100 * index + run).item()
                for run in range(60)
            ]
        )
        assert counts.max() <= maximum
        losses.append(maximum - counts.mean())
        variances.append(counts.var())
        expected.append(maximum - runs.mean())
    assert abs(sum(losses) - sum(expected)) < 4 * np.sqrt(sum(variances) / 6)
