"""Boundary evaluation against slow, independent references and closed forms."""

import math

import numpy as np
import pytest
import skimage.measure
import skimage.morphology
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.optimize import linear_sum_assignment
from scipy.sparse import csr_array
from scipy.sparse.csgraph import maximum_bipartite_matching, min_weight_full_bipartite_matching

from mtl3d.evaluation.functional import edges
from mtl3d.evaluation.functional.edges import kernel as kernel_module
from mtl3d.evaluation.functional.edges import matching
from mtl3d.evaluation.functional.edges.thinning import ThinMaps, thin_levels

masks = arrays(np.bool_, st.tuples(st.integers(1, 12), st.integers(1, 12)))


def as_maps(*masks):
    """Wrap binary maps, lowest threshold first."""
    lists = [np.flatnonzero(mask).astype(np.int32) for mask in reversed(masks)]
    offsets = np.cumsum([0, *(pixels.size for pixels in lists)])
    return ThinMaps(np.concatenate(lists), offsets, masks[0].shape)


def distances(pred, gt):
    points, targets = np.argwhere(pred), np.argwhere(gt)
    return np.linalg.norm(points[:, None] - targets[None], axis=-1)


def sketch(seed, size=(60, 80)):
    """A wavy partition's boundary and a blurred, noisy guess of it."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[: size[0], : size[1]]
    labels = (np.sin(x / 9 + seed) * 6 + y > size[0] / 2).astype(int)
    labels += 2 * (np.cos(y / 7) * 5 + x > size[1] / 2)
    gt = edges.ground_truth(labels, 'label_map')
    distance = np.abs(distances(np.ones(size), gt)).min(axis=1).reshape(size)
    prob = np.exp(-((distance / 1.5) ** 2)) * rng.uniform(0.3, 1, size)
    return np.clip(prob + rng.uniform(0, 0.2, size), 0, 1), gt


# --- boundary maps and thinning -------------------------------------------------------------------


@given(masks)
@settings(max_examples=100, deadline=None)
def test_thin_equals_skimage(mask):
    np.testing.assert_array_equal(edges.thin(mask), skimage.morphology.thin(mask))


def test_thin_of_thick_shapes_equals_skimage():
    rng = np.random.default_rng(0)
    for smoothness in (3, 5, 9):
        kernel = np.ones((smoothness, smoothness))
        noise = rng.random((70, 90))
        smooth = np.real(np.fft.ifft2(np.fft.fft2(noise) * np.fft.fft2(kernel, noise.shape)))
        mask = smooth > np.median(smooth)
        np.testing.assert_array_equal(edges.thin(mask), skimage.morphology.thin(mask))


def test_maps_of_all_thresholds_are_thinned_one_by_one():
    rng = np.random.default_rng(1)
    levels = rng.integers(0, 6, (30, 40)).astype(np.uint16)
    maps = thin_levels(levels, 5)
    for threshold in range(5):
        mask = np.zeros(levels.size, dtype=bool)
        mask[maps.pixels[maps.offsets[4 - threshold] : maps.offsets[5 - threshold]]] = True
        expected = skimage.morphology.thin(levels > threshold)
        np.testing.assert_array_equal(mask.reshape(levels.shape), expected)
        assert maps.sizes[threshold] == expected.sum()


@given(
    arrays(np.uint8, st.tuples(st.integers(1, 9), st.integers(1, 9)), elements=st.integers(0, 3))
)
@settings(max_examples=100, deadline=None)
def test_partition_to_boundary_equals_its_definition(labels):
    height, width = labels.shape
    components = skimage.measure.label(labels, background=-1, connectivity=1)
    for relabel, regions in ((False, labels), (True, components)):
        expected = np.zeros(labels.shape, dtype=bool)
        for y in range(height):
            for x in range(width):
                for dy, dx in ((0, 1), (1, 0), (1, 1)):
                    if y + dy < height and x + dx < width:
                        expected[y, x] |= regions[y, x] != regions[y + dy, x + dx]
        np.testing.assert_array_equal(edges.partition_to_boundary(labels, relabel), expected)


# --- non-maximum suppression ----------------------------------------------------------------------


def test_nms_keeps_the_crest_of_a_slanted_ridge():
    y, x = np.mgrid[:60, :60]
    across = (y - 0.4 * x - 18) / math.hypot(1, 0.4)
    ridge = np.exp(-((across / 3) ** 2)).astype(np.float32)
    kept = edges.nms(ridge)
    inner = np.zeros(ridge.shape, dtype=bool)
    inner[6:-6, 6:-6] = True
    assert np.abs(across[(kept > 0.1) & inner]).max() < 1
    assert (kept[inner] > 0.5).any(axis=None)
    np.testing.assert_array_equal(kept[(kept > 0) & inner], ridge[(kept > 0) & inner])


def test_nms_takes_bytes_and_probabilities_alike():
    grey = np.random.default_rng(0).integers(0, 256, (20, 30)).astype(np.uint8)
    np.testing.assert_array_equal(edges.nms(grey), edges.nms(grey / 255))


@pytest.mark.parametrize('shape', [(1, 1), (1, 7), (2, 2), (3, 40), (9, 9)])
def test_nms_of_tiny_maps_is_finite(shape):
    kept = edges.nms(np.random.default_rng(0).random(shape))
    assert kept.shape == shape
    assert np.isfinite(kept).all()


@pytest.mark.parametrize(
    'bad', [np.full((3, 3), 1.01), np.full((3, 3), -0.1), np.full((3, 3), np.nan)]
)
def test_nms_refuses_values_that_are_no_probabilities(bad):
    with pytest.raises(ValueError, match=r'prob must lie in \[0, 1\]'):
        edges.nms(bad)


# --- matching -------------------------------------------------------------------------------------


@pytest.mark.parametrize('seed', range(12))
def test_maximum_matching_equals_scipy_at_every_threshold(seed):
    rng = np.random.default_rng(seed)
    size = (24, 31)
    density = rng.uniform(0.05, 0.6)
    values, gt = rng.random(size), rng.random(size) < density
    # Not nested: pixels come and go from one threshold to the next, as thinning makes them do.
    masks = [(values > t) & (rng.random(size) < 0.9) for t in (0.2, 0.5, 0.8, 0.95)]
    radius = rng.uniform(1, 5)
    counts = matching.count_matches(as_maps(*masks), gt, radius=radius, seed=None)
    for mask, count in zip(masks, counts, strict=True):
        graph = csr_array(distances(mask, gt) <= radius)
        assert count == (maximum_bipartite_matching(graph, perm_type='column') >= 0).sum()


def test_distance_limit_is_inclusive():
    pred, gt = np.zeros((2, 9, 9), dtype=bool)
    pred[1, 1] = gt[4, 5] = True  # 3, 4, 5
    for radius, expected in ((5.0, 1), (4.999, 0)):
        assert matching.count_matches(as_maps(pred), gt, radius=radius, seed=None) == expected


@pytest.mark.parametrize('seed', range(6))
def test_randomised_count_equals_the_full_assignment_problem(seed):
    """With the true distances as costs, solved by SciPy on the very same random graph."""
    rng = np.random.default_rng(seed)
    pred, gt = rng.random((2, 22, 30)) < rng.uniform(0.1, 0.5)
    radius = 2.5
    maps = as_maps(pred)
    links = matching.link(maps, gt, radius)
    state = matching.random_state(np.uint64(seed), 0)
    indptr, columns, costs, lefts, rights = matching.outlier_graph(
        links.indptr, links.indices, links.nodes, links.gt_pixels.size, state
    )
    size = lefts.size + rights.size
    rows = np.repeat(np.arange(size), np.diff(indptr))
    weights = costs.astype(float) * math.ceil(100 * 100 * radius) + 1
    true = costs == 0
    weights[true] += np.rint(100 * distances(pred, gt)[lefts[rows[true]], rights[columns[true]]])
    row, column = min_weight_full_bipartite_matching(
        csr_array((weights, columns, indptr), shape=(size, size))
    )
    expected = np.sum((row < lefts.size) & (column < rights.size))
    assert matching.count_matches(maps, gt, radius=radius, seed=seed) == expected


def test_random_graph_has_the_prescribed_edges():
    rng = np.random.default_rng(0)
    for density in (0.05, 0.5):  # fewer and more ground truth pixels than predicted ones
        pred, gt = rng.random((30, 40)) < 0.2, rng.random((30, 40)) < density
        links = matching.link(as_maps(pred), gt, 3.0)
        indptr, columns, costs, lefts, rights = matching.outlier_graph(
            links.indptr, links.indices, links.nodes, links.gt_pixels.size,
            matching.random_state(np.uint64(5), 0),
        )  # fmt: skip
        n1, n2 = lefts.size, rights.size
        graph = np.full((n1 + n2, n1 + n2), -1)
        rows = np.repeat(np.arange(n1 + n2), np.diff(indptr))
        graph[rows, columns] = costs
        assert (graph >= 0).sum() == columns.size  # no edge twice
        true = distances(pred, gt)[lefts][:, rights] <= 3.0
        np.testing.assert_array_equal(graph[:n1, :n2] == 0, true)
        assert true.any(axis=1).all() and true.any(axis=0).all()
        np.testing.assert_array_equal((graph[:n1, n2:] == 1).sum(axis=1), 6)
        np.testing.assert_array_equal((graph[n1:, :n2] == 1).sum(axis=0), 6)
        np.testing.assert_array_equal(graph[:n1, n2:].diagonal(), 100)
        np.testing.assert_array_equal(graph[n1:, :n2].diagonal(), 100)
        larger = 0 if n1 >= n2 else 1
        np.testing.assert_array_equal((graph[n1:, n2:] == 1).sum(axis=larger), 6)


def test_random_choices_are_uniform():
    state = matching.random_state(np.uint64(1), 0)
    picks = np.concatenate([matching._pick(state, 10, 10, True) for _ in range(2000)])
    own = np.tile(np.arange(10), 2000)
    counts = np.zeros((10, 10))
    np.add.at(counts, (own[:, None], picks), 1)
    assert (counts.diagonal() == 0).all()
    expected = 2000 * 6 / 9
    off = counts[~np.eye(10, dtype=bool)]
    assert np.abs(off - expected).max() < 5 * math.sqrt(expected * (1 - 6 / 9))


def test_seeds_and_thresholds_draw_different_graphs():
    states = {
        matching.random_state(np.uint64(seed), stream).item()
        for seed in range(50)
        for stream in range(101)
    }
    assert len(states) == 50 * 101
    prob, gt = sketch(0)
    first, again, other = (
        edges.evaluate_image(prob, gt, max_dist=0.02, seed=seed) for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()


# --- one image ------------------------------------------------------------------------------------


@pytest.mark.parametrize('protocol', ['seism', 'mti', 'bsds'])
def test_thresholding_follows_the_protocol(protocol):
    """From the definitions, in plain NumPy."""
    grey = (255 * sketch(3)[0]).astype(np.uint8)
    gt = sketch(3)[1]
    hundredths = [i / 100 for i in range(1, 100)]
    if protocol == 'seism':
        values = edges.nms(grey)
        maps = [values > np.float32(t) for t in (0.001, *hundredths, 0.999)]
    elif protocol == 'mti':
        maps = [grey / 255 >= t for t in hundredths]
    else:
        values = np.round(edges.nms(grey) * 255).astype(np.uint8) / 255
        maps = [values >= max(t, np.finfo(float).eps) for t in hundredths]
    maps = [skimage.morphology.thin(mask) for mask in maps]
    radius = 0.0075 * math.hypot(*gt.shape)
    counts = edges.evaluate_image(grey, gt, max_dist=0.0075, protocol=protocol, matcher='max')
    np.testing.assert_array_equal(counts[:, 3], [mask.sum() for mask in maps])
    for row, mask in list(zip(counts, maps, strict=True))[::20]:
        graph = distances(mask, gt) <= radius
        rows, columns = linear_sum_assignment(graph, maximize=True)
        assert row[0] == row[2] == graph[rows, columns].sum()


def test_predictions_are_truncated_to_bytes():
    prob, gt = sketch(4)
    options = dict(max_dist=0.0075, matcher='max')
    expected = edges.evaluate_image(np.floor(prob * 255).astype(np.uint8), gt, **options)
    np.testing.assert_array_equal(edges.evaluate_image(prob, gt, **options), expected)
    exact = edges.evaluate_image(prob, gt, quantize=False, **options)
    assert (exact != expected).any()


@pytest.mark.parametrize('matcher', ['seism', 'max'])
def test_perfect_prediction(matcher):
    """Every threshold but the one at the border, where suppression fades the line out."""
    _, gt = sketch(5, (120, 160))
    counts = edges.evaluate_image(
        gt.astype(float), gt, max_dist=0.02, protocol='mti', matcher=matcher
    )
    scores = edges.summarize(counts[None])
    assert scores['odsF'] == scores['oisF'] == 1
    assert edges.summarize(
        edges.evaluate_image(gt.astype(float), gt, max_dist=0.02, matcher=matcher)[None]
    )['odsF'] > 0.95  # fmt: skip


@pytest.mark.parametrize('matcher', ['seism', 'max'])
@pytest.mark.parametrize('annotators', [1, 2])
def test_empty_maps_count_nothing(matcher, annotators):
    prob, gt = sketch(6)
    empty = np.zeros((annotators, *gt.shape), dtype=bool)
    options = dict(max_dist=0.01, matcher=matcher)
    counts = edges.evaluate_image(prob, empty, **options)
    assert (counts[:, :3] == 0).all() and counts[0, 3] > 0
    counts = edges.evaluate_image(0 * prob, empty | gt, **options)
    assert (counts[:, [0, 2, 3]] == 0).all() and (counts[:, 1] == annotators * gt.sum()).all()


def test_several_annotators():
    prob, gt = sketch(7)
    shifted = np.roll(gt, 3, axis=0)
    options = dict(max_dist=0.02, protocol='bsds', thresholds=[0.2, 0.4, 0.6])
    for matcher in ('max', 'seism'):
        one, two = (
            edges.evaluate_image(prob, g, matcher=matcher, **options) for g in (gt, shifted)
        )
        both = edges.evaluate_image(prob, np.stack([gt, shifted]), matcher=matcher, **options)
        np.testing.assert_array_equal(both[:, 1], one[:, 1] + two[:, 1])
        assert (both[:, 2] >= np.maximum(one[:, 2], two[:, 2]) - 2).all()
        assert (both[:, 2] <= both[:, 3]).all()
        if matcher == 'max':
            np.testing.assert_array_equal(both[:, 0], one[:, 0] + two[:, 0])
        else:
            assert np.abs(both[:, 0] - one[:, 0] - two[:, 0]).max() <= 4
        # A second copy of an annotator matches no further pixel.
        once, twice = (
            edges.evaluate_image(prob, copies, matcher='max', **options)
            for copies in (gt, np.stack([gt, gt]))
        )
        np.testing.assert_array_equal(twice[:, 2], once[:, 2])


def test_an_annotator_who_marked_nothing_changes_no_match():
    """The counting solver and the one with distances, on the same random graphs."""
    prob, gt = sketch(8)
    options = dict(max_dist=0.03, seed=3)
    one = edges.evaluate_image(prob, gt, **options)
    two = edges.evaluate_image(prob, np.stack([gt, np.zeros_like(gt)]), **options)
    np.testing.assert_array_equal(one, two)
    assert (one != edges.evaluate_image(prob, gt, matcher='max', **options)).any()


def test_nearest_of_the_maximum_matchings_decides_which_pixels_count():
    """Two predictions compete for one line of annotator 1; annotator 2 sees the far one only."""
    pred, first, second = np.zeros((3, 20, 30), dtype=bool)
    pred[9, 3:27] = pred[12, 3:27] = True
    first[10, 3:27] = True
    second[13, 3:27] = True
    prob = pred.astype(np.uint8) * 255
    options = dict(max_dist=3.1 / math.hypot(20, 30), protocol='mti', matcher='max')
    counts = edges.evaluate_image(prob, np.stack([first, second]), **options)
    np.testing.assert_array_equal(counts[0], [48, 48, 48, 48])


@pytest.mark.parametrize(
    ('change', 'message'),
    [
        (dict(prob=np.zeros((4, 5, 1))), 'prob must be a map|gt must have'),
        (dict(prob=np.full((4, 5), 2.0)), r'prob must lie in \[0, 1\]'),
        (dict(prob=np.full((4, 5), np.nan)), r'prob must lie in \[0, 1\]'),
        (dict(prob=np.zeros((4, 5), dtype=np.int64)), 'dtype int64'),
        (dict(gt=np.zeros((5, 4))), r'shape of prob \(4, 5\)'),
        (dict(gt=np.full((4, 5), 255)), 'zeros and ones'),
        (dict(gt=np.zeros((0, 4, 5))), 'gt must have the shape'),
        (dict(max_dist=0.0), r'max_dist must lie in \(0, 1\), got 0.0'),
        (dict(protocol='ods'), "got 'ods'"),
        (dict(matcher='fast'), "got 'fast'"),
        (dict(seed=-1), 'got -1'),
        (dict(thresholds=[0.5, 0.2]), 'thresholds must increase'),
        (dict(thresholds=[0.5, 1.0]), 'thresholds must increase'),
        (dict(thresholds=[]), 'thresholds must increase'),
    ],
)
def test_bad_input_is_named(change, message):
    valid = dict(prob=np.zeros((4, 5)), gt=np.zeros((4, 5)), max_dist=0.01)
    with pytest.raises(ValueError, match=message):
        edges.evaluate_image(**{**valid, **change})


# --- scores ---------------------------------------------------------------------------------------


def slow_summary(counts, thresholds):
    """Compute the scores with plain loops, from the definitions."""

    def f_measure(p, r):
        return 2 * p * r / (p + r) if p + r else 0.0

    def pooled(cnt_r, sum_r, cnt_p, sum_p):
        if sum_p == 0:
            return 1.0, 0.0
        if sum_r == 0:
            return 0.0, 1.0
        return (cnt_p / sum_p, cnt_r / sum_r) if cnt_r else (0.0, 0.0)

    curve = [pooled(*counts[:, t].sum(axis=0)) for t in range(len(thresholds))]
    values = [f_measure(*point) for point in curve]
    best = values.index(max(values))
    chosen = np.zeros(4, dtype=int)
    for image in counts:
        own = []
        for cnt_r, sum_r, cnt_p, sum_p in image:
            p, r = (cnt_p / sum_p if sum_p else 1.0), (cnt_r / sum_r if sum_r else 1.0)
            p = 0.0 if sum_r == 0 else p
            own.append(float(f'{f_measure(p, r):.6f}'))
        chosen += image[own.index(max(own))]
    points = {}
    for p, r in curve:
        points.setdefault(r, p)
    recalls = sorted(points)
    area = 0.0
    for i in range(101):
        r = i / 100
        for low, high in zip(recalls, recalls[1:], strict=False):
            if low <= r <= high:
                share = (r - low) / (high - low)
                area += (1 - share) * points[low] + share * points[high]
                break
    return dict(
        odsF=values[best],
        oisF=f_measure(*pooled(*chosen)),
        AP=area / 100,
        odsT=thresholds[best],
        odsP=curve[best][0],
        odsR=curve[best][1],
    )


def random_counts(seed, images=5, thresholds=99):
    rng = np.random.default_rng(seed)
    counts = np.zeros((images, thresholds, 4), dtype=np.int64)
    counts[..., 1] = rng.integers(0, 300, (images, 1)) * (rng.random((images, 1)) < 0.8)
    counts[..., 3] = np.sort(rng.integers(0, 400, (images, thresholds)))[:, ::-1]
    counts[..., 3] *= np.arange(thresholds) < thresholds - rng.integers(0, 30)
    hits = (rng.random((images, thresholds)) * np.minimum(counts[..., 1], counts[..., 3])).astype(
        int
    )
    counts[..., 0] = counts[..., 2] = hits
    return counts


@pytest.mark.parametrize('seed', range(8))
def test_scores_equal_their_definitions(seed):
    counts = random_counts(seed)
    expected = slow_summary(counts, edges.PROTOCOLS['mti'].thresholds)
    assert edges.summarize(counts) == pytest.approx(expected, abs=1e-12)


def test_order_of_the_images_changes_no_digit():
    counts = random_counts(0)
    assert edges.summarize(counts) == edges.summarize(counts[::-1])


def test_a_perfect_curve_has_the_average_precision_of_101_points():
    counts = np.zeros((1, 3, 4), dtype=np.int64)
    counts[0] = [[100, 100, 100, 100], [50, 100, 50, 50], [0, 100, 0, 0]]
    scores = edges.summarize(counts, thresholds=[0.2, 0.5, 0.9])
    assert scores == dict(odsF=1, oisF=1, AP=pytest.approx(1.01), odsT=0.2, odsP=1, odsR=1)


def test_interpolated_ods_finds_the_maximum_between_thresholds():
    counts = np.array([[[90, 100, 90, 300], [30, 100, 30, 33]]])
    plain = edges.summarize(counts, thresholds=[0.3, 0.6])
    between = edges.summarize(counts, thresholds=[0.3, 0.6], interpolate=True)
    share = np.linspace(0, 1, 100)
    precision = 0.3 * (1 - share) + 30 / 33 * share
    recall = 0.9 * (1 - share) + 0.3 * share
    curve = 2 * precision * recall / (precision + recall)
    assert between['odsF'] == pytest.approx(curve.max())
    assert between['odsF'] > plain['odsF'] + 0.05
    assert between['odsT'] == pytest.approx(0.3 + 0.3 * share[curve.argmax()])
    assert between['oisF'] == plain['oisF'] and between['AP'] == plain['AP']


def test_thresholds_follow_from_their_number():
    for number, expected in ((101, 0.3), (99, 0.31), (4, 0.6), (1, 0.5)):
        counts = np.zeros((1, number, 4), dtype=np.int64)
        counts[0, min(30, number // 2)] = 5
        assert edges.summarize(counts)['odsT'] == pytest.approx(expected)
    with pytest.raises(ValueError, match='must have the 1 values'):
        edges.summarize(counts, thresholds=[0.1, 0.2])


@pytest.mark.parametrize('layout', ['transposed', 'read-only', 'strided'])
def test_memory_layout_does_not_matter(layout):
    prob, gt = sketch(9)
    expected = edges.evaluate_image(prob, gt, max_dist=0.02, quantize=False)
    if layout == 'transposed':
        prob, gt = np.asfortranarray(prob), np.asfortranarray(gt)
    elif layout == 'read-only':
        prob.flags.writeable = gt.flags.writeable = False
    else:
        prob, gt = np.repeat(prob, 2, axis=1)[:, ::2], np.repeat(gt, 2, axis=0)[::2]
    counts = edges.evaluate_image(prob, gt, max_dist=0.02, quantize=False)
    np.testing.assert_array_equal(counts, expected)


@pytest.mark.parametrize(
    ('counts', 'message'),
    [
        (np.zeros((0, 99, 4), dtype=int), 'N, T >= 1'),
        (np.zeros((2, 99, 3), dtype=int), 'shape'),
        (np.zeros((2, 99, 4)), 'dtype float64'),
        (np.full((2, 99, 4), -1), 'negative'),
    ],
)
def test_bad_counts_are_refused(counts, message):
    with pytest.raises(ValueError, match=message):
        edges.summarize(counts)


def test_kernels_compile_where_no_cache_can_be_written(monkeypatch):
    """As in a read-only container, for which numba finds no folder."""

    def njit(**options):
        if options.get('cache'):
            raise RuntimeError('cannot cache function: no locator available')
        return lambda function: (function, options)

    monkeypatch.setattr(kernel_module, 'njit', njit)
    function, options = kernel_module.kernel(len)
    assert function is len and options['nogil']
