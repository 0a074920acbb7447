"""Metric functions against golden numbers, slow references, closed forms and invariances."""

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from mtl3d.evaluation.functional import bootstrap, delta_m, depth, normals, saliency, segmentation
from mtl3d.evaluation.functional.bootstrap import draw_weights

DATA = Path(__file__).parents[2] / 'data' / 'losses_metrics'
SURVEY = np.load(DATA / 'survey.npz')


def _images(task: str) -> list[tuple[np.ndarray, np.ndarray]]:
    pairs = [(SURVEY[f'metric/{task}/pred_{i}'], SURVEY[f'metric/{task}/gt_{i}']) for i in range(3)]
    if task == 'normals':
        return [(pred.transpose(2, 0, 1), gt.transpose(2, 0, 1)) for pred, gt in pairs]
    return pairs


def _golden(task: str, name: str) -> float:
    return float(SURVEY[f'metric/{task}/result/{name}'])


# -- golden numbers of the original programs ------------------------------------------------------


@pytest.mark.parametrize(('task', 'classes'), [('semseg40', 40), ('semseg21', 21)])
def test_segmentation_golden(task: str, classes: int) -> None:
    stats = np.stack(
        [segmentation.image_statistics(*pair, num_classes=classes) for pair in _images(task)]
    )
    scores = segmentation.summarize(stats, protocol='survey')
    assert scores['mIoU'] == pytest.approx(100 * _golden(task, 'mIoU'), rel=1e-12)
    golden = 100 * SURVEY[f'metric/{task}/result/jaccards_all_categs']
    np.testing.assert_allclose(np.nan_to_num(segmentation.class_iou(stats)), golden, rtol=1e-12)


def test_depth_golden() -> None:
    scores = depth.summarize(np.stack([depth.image_statistics(*p) for p in _images('depth')]))
    assert scores['rmse'] == pytest.approx(_golden('depth', 'rmse'), rel=1e-7)
    assert scores['log_rmse'] == pytest.approx(_golden('depth', 'log_rmse'), rel=1e-7)


def test_normals_golden() -> None:
    scores = normals.summarize(np.stack([normals.image_statistics(*p) for p in _images('normals')]))
    assert scores['mean'] == pytest.approx(_golden('normals', 'mean'), rel=1e-6)
    assert scores['rmse'] == pytest.approx(_golden('normals', 'rmse'), rel=1e-6)
    assert scores['median'] == pytest.approx(_golden('normals', 'median'), abs=0.02)
    for threshold in ('11.25', '22.5', '30'):
        golden = _golden('normals', threshold)
        assert scores[f'within_{threshold}'] == pytest.approx(golden, rel=1e-12)


def test_saliency_golden() -> None:
    stats = [saliency.image_statistics(*p, protocol='survey') for p in _images('sal')]
    scores = saliency.summarize(np.stack(stats), protocol='survey')
    assert scores['maxF'] == pytest.approx(100 * _golden('sal', 'maxF'), rel=1e-12)
    assert scores['mIoU'] == pytest.approx(100 * _golden('sal', 'mIoU'), rel=1e-12)


def test_saliency_golden_of_the_training_meter() -> None:
    """The survey's online meter sees the probability before it is truncated to 8 bits."""
    probability = SURVEY['meter/sal/get_output'].astype(np.float64) / 255
    stats = [
        saliency.image_statistics(p, gt[0], protocol='clean')
        for p, gt in zip(probability, SURVEY['meter/sal/gt'], strict=True)
    ]
    scores = saliency.summarize(np.stack(stats), protocol='survey')
    for name in ('maxF', 'mIoU'):
        golden = 100 * float(SURVEY[f'meter/sal/result/{name}'])
        assert scores[name] == pytest.approx(golden, rel=1e-9)


def test_normals_and_depth_golden_of_the_training_meter() -> None:
    encoded = SURVEY['meter/normals/get_output'].transpose(0, 3, 1, 2) * 2 / 255 - 1
    truth = SURVEY['meter/normals/gt'].copy()
    truth[(truth == 255).any(axis=1, keepdims=True).repeat(3, 1)] = 0
    stats = [normals.image_statistics(p, g) for p, g in zip(encoded, truth, strict=True)]
    scores = normals.summarize(np.stack(stats))
    assert scores['mean'] == pytest.approx(float(SURVEY['meter/normals/result/mean']), rel=1e-6)
    pred = SURVEY['meter/depth/get_output'][..., 0]
    truth = np.where(SURVEY['meter/depth/gt'] == 255, 0, SURVEY['meter/depth/gt'])[:, 0]
    stats = [depth.image_statistics(p, g) for p, g in zip(pred, truth, strict=True)]
    for name in ('rmse', 'log_rmse'):
        golden = float(SURVEY[f'meter/depth/result/{name}'])
        assert depth.summarize(np.stack(stats))[name] == pytest.approx(golden, rel=1e-6)


def test_delta_m_golden() -> None:
    lower = {'depth/rmse', 'normals/mean'}
    for (multi, single), golden in zip(
        json.loads(str(SURVEY['delta_m/cases'])), SURVEY['delta_m/values'], strict=True
    ):
        flat = [
            {f'{task}/{name}': value for task, m in side.items() for name, value in m.items()}
            for side in (multi, single)
        ]
        assert delta_m(*flat, lower_is_better=lower) == pytest.approx(100 * golden, rel=1e-6)


# -- hand-made cases ------------------------------------------------------------------------------


def test_absent_classes_count_in_published_only() -> None:
    gt = np.array([0, 0, 1, 1, 255])
    pred = np.array([0, 1, 1, 2, 1])
    stats = segmentation.image_statistics(pred, gt, num_classes=4)[None]
    np.testing.assert_array_equal(stats[0], [[1, 1, 0, 0], [1, 2, 1, 0], [2, 2, 0, 0]])
    # IoU: 1/2, 1/3, 0/1 (predicted, not labelled), 0/0 (nowhere).
    published = segmentation.summarize(stats, protocol='published')
    clean = segmentation.summarize(stats, protocol='clean')
    assert published['mIoU'] == pytest.approx(100 * (1 / 2 + 1 / 3) / 4)
    assert clean['mIoU'] == pytest.approx(100 * (1 / 2 + 1 / 3) / 2)
    assert clean['pixel_accuracy'] == 50 and clean['mean_accuracy'] == 50


@pytest.mark.parametrize(('what', 'pred', 'gt'), [('prediction', 4, 0), ('label', 0, 7)])
def test_class_out_of_range_is_named(what: str, pred: int, gt: int) -> None:
    with pytest.raises(ValueError, match=f'The {what} holds class id {max(pred, gt)}'):
        segmentation.image_statistics(np.array([pred]), np.array([gt]), num_classes=4)


def test_depth_by_hand() -> None:
    gt, pred = np.array([2.0, 4.0, 0.0, np.nan]), np.array([3.0, 4.4, 9.0, 1.0])
    scores = depth.summarize(depth.image_statistics(pred, gt)[None])
    assert scores['rmse'] == pytest.approx(np.sqrt((1 + 0.16) / 2))
    assert scores['mae'] == pytest.approx((1 + 0.4) / 2)
    assert scores['abs_rel'] == pytest.approx((0.5 + 0.1) / 2)
    assert scores['sq_rel'] == pytest.approx((0.5 + 0.04) / 2)
    assert scores['log_rmse'] == pytest.approx(np.sqrt((np.log(1.5) ** 2 + np.log(1.1) ** 2) / 2))


def test_ratios_of_depth_count_in_both_directions() -> None:
    # The limits 1.25, 1.5625 and 1.953125 are out of their own class.
    ratios = np.array([1.2, 1.25, 1.5, 1.5625, 1.9, 1.953125, 1 / 1.2, 1 / 1.5, 1 / 1.9, 1 / 2.0])
    scores = depth.summarize(depth.image_statistics(4 * ratios, np.full(10, 4.0))[None])
    assert (scores['delta1'], scores['delta2'], scores['delta3']) == (20, 50, 80)


def test_depth_rmse_of_pixels_and_of_images_differ() -> None:
    one = depth.image_statistics(np.full(1, 4.0), np.ones(1))  # one pixel, error 3
    many = depth.image_statistics(np.full(99, 2.0), np.ones(99))  # 99 pixels, error 1
    scores = depth.summarize(np.stack([one, many, depth.image_statistics(np.ones(3), np.zeros(3))]))
    assert scores['rmse'] == pytest.approx(np.sqrt((9 + 99) / 100))
    assert scores['rmse_image'] == pytest.approx(2.0)


def test_depth_clean_bounds_the_logarithm() -> None:
    gt, pred = np.array([1.0]), np.array([-0.5])
    published = depth.summarize(depth.image_statistics(pred, gt)[None])
    clean = depth.summarize(depth.image_statistics(pred, gt, protocol='clean')[None])
    assert published['log_rmse'] == pytest.approx(-np.log(1e-9))
    assert clean['log_rmse'] == pytest.approx(-np.log(1e-3))


@pytest.mark.parametrize('degrees', [1e-6, 0.5, 22.4, 90.0, 179.5])
def test_angles_of_rotated_vectors(degrees: float) -> None:
    angle = np.radians(degrees)
    gt = np.array([0.0, 0.0, 1.0]).reshape(3, 1, 1)
    pred = 5 * np.array([np.sin(angle), 0.0, np.cos(angle)]).reshape(3, 1, 1)
    assert normals.angles(pred, gt).item() == pytest.approx(degrees, rel=1e-9)


def test_zero_prediction_is_ninety_degrees_off() -> None:
    assert normals.angles(np.zeros((3, 1)), np.array([[0.0], [1.0], [0.0]])).item() == 90


def test_histogram_and_its_edges_agree() -> None:
    rng = np.random.default_rng(8)
    degrees = np.concatenate([180 * rng.random(5000), [0.0, 30.0, 60.0, 180.0]])
    expected, _ = np.histogram(degrees, normals.BIN_EDGES)
    angle = np.radians(degrees)
    pred = np.stack([np.sin(angle), np.zeros_like(angle), np.cos(angle)])
    gt = np.tile([[0.0], [0.0], [1.0]], len(degrees))
    ours = normals.image_statistics(pred, gt)[6:]
    # An angle on an edge may fall to either side of it.
    assert ours.sum() == len(degrees) and np.abs(ours - expected).sum() <= 8


def test_nan_predictions_show_in_the_scores() -> None:
    pred, gt = np.full((3, 2), np.nan), np.ones((3, 2))
    assert np.isnan(normals.summarize(normals.image_statistics(pred, gt)[None])['mean'])
    assert np.isnan(depth.summarize(depth.image_statistics(pred, gt)[None])['rmse'])


@pytest.mark.parametrize('scale', [20.0, 120.0])
def test_median_from_the_histogram(scale: float) -> None:
    rng = np.random.default_rng(3)
    degrees = rng.random((4, 30, 40)) * scale
    angle = np.radians(degrees)
    pred = np.stack([np.sin(angle), np.zeros_like(angle), np.cos(angle)], axis=1)
    gt = np.broadcast_to(np.array([0.0, 0.0, 1.0]).reshape(3, 1, 1), pred.shape[1:])
    scores = normals.summarize(np.stack([normals.image_statistics(p, gt) for p in pred]))
    assert scores['median'] == pytest.approx(np.median(degrees), abs=0.02 if scale == 20 else 0.5)
    assert scores['mean'] == pytest.approx(degrees.mean(), rel=1e-9)
    assert scores['rmse'] == pytest.approx(np.sqrt((degrees**2).mean()), rel=1e-9)
    assert scores['within_11.25'] == pytest.approx(100 * (degrees < 11.25).mean())


@pytest.mark.parametrize('count', [1, 2, 3])
def test_median_of_a_few_angles(count: int) -> None:
    values = [1.0, 1.37, 40.0][:count]
    stats = np.zeros((1, 6 + len(normals.BIN_EDGES) - 1))
    stats[0, 6:] = np.histogram(values, normals.BIN_EDGES)[0]
    assert normals.summarize(stats)['median'] == pytest.approx(np.median(values), abs=0.02)


def test_eight_bit_normals_are_close_and_truncated() -> None:
    vectors = np.random.default_rng(0).standard_normal((3, 500))
    vectors /= np.linalg.norm(vectors, axis=0)
    encoded = normals.encode(vectors)
    assert encoded.dtype == np.uint8
    tilt = normals.angles(normals.decode(encoded), vectors)
    assert 0 < tilt.mean() < 0.5
    # Truncation pulls every component down.
    assert (normals.decode(encoded) <= vectors + 1e-12).all()
    stats = [
        normals.image_statistics(p, vectors[:, None], protocol=protocol)
        for p, protocol in ((encoded[:, None], 'clean'), (vectors[:, None], 'survey'))
    ]
    np.testing.assert_array_equal(*stats)


def _slow_max_f(probability: np.ndarray, gt: np.ndarray, squash: bool) -> float:
    best = 0.0
    value = 1 / (1 + np.exp(-probability)) if squash else probability
    for k in range(1, 20):
        positive = value >= k * 0.05
        true = (positive & (gt == 1)).sum()
        if true:
            p, r = true / positive.sum(), true / (gt == 1).sum()
            best = max(best, 1.3 * p * r / (0.3 * p + r))
    return 100 * best


@pytest.mark.parametrize('protocol', ['published', 'clean'])
def test_max_f_against_a_loop(protocol: str) -> None:
    rng = np.random.default_rng(5)
    gt = (rng.random((2, 30, 30)) < 0.3).astype(np.float32)
    pred = np.clip(0.4 * gt + 0.6 * rng.random(gt.shape), 0, 1).astype(np.float32)
    stats = [
        saliency.image_statistics(p, g, protocol=protocol) for p, g in zip(pred, gt, strict=True)
    ]
    expected = _slow_max_f(pred.astype(np.float64), gt, squash=protocol == 'published')
    scores = saliency.summarize(np.stack(stats), protocol=protocol)
    assert scores['maxF'] == pytest.approx(expected, rel=1e-12)


def test_double_squash_blinds_the_published_max_f() -> None:
    """Below a probability of 0.2007 all is positive, as sigmoid(0.2007) = 0.55."""
    gt = np.array([1.0, 0.0, 0.0, 0.0])
    pred = np.array([0.19, 0.01, 0.01, 0.01])
    scores = {
        protocol: saliency.summarize(
            saliency.image_statistics(pred, gt, protocol=protocol)[None], protocol=protocol
        )['maxF']
        for protocol in ('published', 'clean')
    }
    assert scores['clean'] == pytest.approx(100)
    assert scores['published'] == pytest.approx(100 * 1.3 * 0.25 / (0.3 * 0.25 + 1))


def test_saliency_iou_is_one_where_nothing_is_salient_and_nothing_found() -> None:
    stats = saliency.image_statistics(np.zeros(4), np.zeros(4))[None]
    assert saliency.summarize(stats) == dict(maxF=0, mIoU=100)


def test_image_wise_thresholds_are_strict_on_eight_bits() -> None:
    gt = np.array([1.0, 0.0])
    for pred in (np.array([51, 51], np.uint8), np.array([0.2039, 0.2039])):  # both 51 / 255 = 0.2
        stats = saliency.image_statistics(pred, gt)[None]
        assert saliency.summarize(stats)['mIoU'] == 0
    assert saliency.summarize(saliency.image_statistics(np.array([52, 0], np.uint8), gt)[None]) == (
        dict(maxF=pytest.approx(100), mIoU=100)
    )


@pytest.mark.parametrize('grey', [51, 102, 153, 204])  # exactly 0.2, 0.4, 0.6 and 0.8
def test_pooled_thresholds_include_their_limit(grey: int) -> None:
    stats = saliency.image_statistics(np.array([grey], np.uint8), np.ones(1), protocol='clean')
    assert stats[:19].sum() == round(grey / 255 * 20)


def test_delta_m_signs_and_percent() -> None:
    multi = {'edge/odsF': 80.8, 'depth/rmse': 0.45, 'extra/x': 1.0}
    single = {'edge/odsF': 80.0, 'depth/rmse': 0.5}
    assert delta_m(multi, single) == pytest.approx((1 + 10) / 2)


@pytest.mark.parametrize(
    ('multi', 'single', 'message'),
    [
        ({'a/b': 1.0}, {}, 'single_task is empty'),
        ({'a/b': 1.0}, {'c/d': 1.0}, 'needs c/d, but the results hold a/b'),
        ({'a/b': 1.0}, {'a/b': 0.0}, "single_task\\['a/b'\\] is 0"),
    ],
)
def test_delta_m_errors(multi: dict, single: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        delta_m(multi, single)


# -- what holds for every metric ------------------------------------------------------------------

Statistics = Callable[[np.ndarray, np.ndarray], np.ndarray]
Summarize = Callable[[np.ndarray], dict[str, float]]


def _class_pair(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    gt = rng.integers(0, 5, (1, 9, 11))
    gt[:, 0] = 255
    return rng.integers(0, 5, (1, 9, 11)), gt


def _depth_pair(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    gt = rng.random((1, 9, 11)).astype(np.float32) + 1
    gt[:, 0] = 0
    return gt + rng.random((1, 9, 11)).astype(np.float32), gt


def _normals_pair(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    gt = rng.standard_normal((3, 9, 11)).astype(np.float32)
    gt[:, 0] = 0
    return gt + rng.standard_normal((3, 9, 11)).astype(np.float32), gt


def _binary_pair(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    gt = (rng.random((1, 9, 11)) < 0.4).astype(np.float32)
    gt[:, 0] = 255
    return rng.random((1, 9, 11)).astype(np.float32), gt


CASES: dict[str, tuple[Callable, Statistics, Summarize]] = {
    'segmentation': (
        _class_pair,
        partial(segmentation.image_statistics, num_classes=5),
        segmentation.summarize,
    ),
    'depth': (_depth_pair, depth.image_statistics, depth.summarize),
    'normals': (_normals_pair, normals.image_statistics, normals.summarize),
    'saliency': (_binary_pair, saliency.image_statistics, saliency.summarize),
}


@pytest.mark.parametrize('case', CASES)
def test_statistics_add_up_and_padding_does_not_count(case: str) -> None:
    pair, statistics, summarize = CASES[case]
    rng = np.random.default_rng(1)
    pairs = [pair(rng) for _ in range(4)]
    stats = np.stack([statistics(*p) for p in pairs])
    scores = summarize(stats)
    assert all(np.isfinite(value) for value in scores.values())
    assert summarize(stats.sum(axis=0, keepdims=True)) == pytest.approx(scores, rel=1e-12)
    cropped = np.stack([statistics(pred[:, 1:], gt[:, 1:]) for pred, gt in pairs])
    np.testing.assert_array_equal(cropped, stats)


@pytest.mark.parametrize('case', CASES)
def test_nothing_labelled_is_nan_and_changes_no_other_image(case: str) -> None:
    pair, statistics, summarize = CASES[case]
    pred, gt = pair(np.random.default_rng(2))
    void = statistics(pred, np.full_like(gt, 255 if case in ('segmentation', 'saliency') else 0))
    assert not void.any()
    assert all(np.isnan(value) for value in summarize(void[None]).values())
    stats = statistics(pred, gt)
    assert summarize(void[None]).keys() == summarize(stats[None]).keys()
    assert summarize(np.stack([stats, void])) == summarize(stats[None])


@pytest.mark.parametrize('case', CASES)
def test_bootstrap_of_additive_statistics_draws_images(case: str) -> None:
    """The fast way (weighted sums) agrees with really drawing the images."""
    pair, statistics, summarize = CASES[case]
    rng = np.random.default_rng(4)
    stats = np.stack([statistics(*pair(rng)) for _ in range(20)])
    fast = bootstrap(stats, summarize, num_replicates=400, seed=1)
    slow = bootstrap(stats, summarize, num_replicates=400, seed=2, additive=False)
    scores = summarize(stats)
    assert fast == bootstrap(stats, summarize, num_replicates=400, seed=1)
    for name, (low, high) in fast.items():
        width = high - low
        assert low <= scores[name] <= high
        assert abs(low - slow[name][0]) < 0.25 * width
        assert abs(high - slow[name][1]) < 0.25 * width


def test_bootstrap_of_what_does_not_add_up_repeats_the_images() -> None:
    def median(s: np.ndarray) -> dict[str, float]:
        return dict(median=float(np.median(s)))

    stats = np.random.default_rng(5).standard_normal((9, 1))
    drawn = [
        np.median(
            [value for value, times in zip(stats[:, 0], row, strict=True) for _ in range(times)]
        )
        for row in draw_weights(9, num_replicates=50)
    ]
    interval = bootstrap(stats, median, num_replicates=50, level=0.5, additive=False)['median']
    assert interval == pytest.approx(np.quantile(drawn, [0.25, 0.75]))


def test_bootstrap_of_one_image_is_its_score() -> None:
    stats = np.array([[7.0]])
    assert bootstrap(stats, lambda s: dict(sum=float(s.sum())), num_replicates=1)['sum'] == (7, 7)


def test_bootstrap_interval_of_a_mean() -> None:
    """Closed form: the standard error of a mean of N values."""
    values = np.random.default_rng(0).standard_normal((400, 1))
    stats = np.concatenate([values, np.ones_like(values)], axis=1)

    def mean(s: np.ndarray) -> dict[str, float]:
        total, count = s.sum(axis=0)
        return dict(mean=total / count)

    low, high = bootstrap(stats, mean, num_replicates=4000)['mean']
    assert high - low == pytest.approx(2 * 1.96 * values.std() / 20, rel=0.06)


@pytest.mark.parametrize(
    ('stats', 'options', 'message'),
    [
        (np.zeros((0, 3)), {}, 'at least one image'),
        (np.zeros((2, 3)), dict(num_replicates=0), 'num_replicates=0'),
        (np.zeros((2, 3)), dict(level=95), 'level=95'),
    ],
)
def test_bootstrap_errors(stats: np.ndarray, options: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        bootstrap(stats, lambda s: dict(total=float(s.sum())), **options)
