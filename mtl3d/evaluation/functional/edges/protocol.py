"""The boundary scores odsF, oisF and AP: from one image's maps to counts, from counts to scores."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mtl3d.evaluation.functional.edges.annotators import count_matches_of_annotators
from mtl3d.evaluation.functional.edges.matching import count_matches, match_distance
from mtl3d.evaluation.functional.edges.nms import as_probability, nms
from mtl3d.evaluation.functional.edges.thinning import partition_to_boundary, thin, thin_levels

Matcher = Literal['seism', 'max']
MATCHERS: tuple[Matcher, ...] = ('seism', 'max')

#: From which label the ground truth comes; see :func:`ground_truth`.
GroundTruth = Literal['edge_image', 'label_map', 'lines']
GROUND_TRUTHS: tuple[GroundTruth, ...] = ('edge_image', 'label_map', 'lines')


class EdgeBenchmark(NamedTuple):
    """What the boundary scores of a data set depend on besides the protocol.

    Attributes:
        max_dist: Allowed distance of a match relative to the image diagonal.
        ground_truth: From which label the ground truth comes.
    """

    max_dist: float
    ground_truth: GroundTruth


BENCHMARKS: dict[str, EdgeBenchmark] = {
    'nyud': EdgeBenchmark(0.011, 'edge_image'),
    'pascal_context': EdgeBenchmark(0.0075, 'label_map'),
    'synthrooms': EdgeBenchmark(0.011, 'lines'),
}


@dataclass(frozen=True)
class EdgeProtocol:
    """How a boundary map is binarised.

    Attributes:
        thresholds: The default thresholds, increasing.
        suppress: Whether non-maximum suppression comes first.
        strict: Whether a pixel must exceed the threshold or may equal it.
        round_suppressed: Whether the suppressed map is rounded back to 8 bits.
        single_precision: Whether values and thresholds are compared as float32.
        max_dist: Allowed distance of a match relative to the image diagonal; None where the data
            set decides.
    """

    thresholds: tuple[float, ...]
    suppress: bool
    strict: bool
    round_suppressed: bool
    single_precision: bool
    max_dist: float | None


_HUNDREDTHS = tuple(i / 100 for i in range(1, 100))

#: ``seism``: the evaluation of ASTMT, ATRC, InvPT and their followers (the SEISM toolbox of
#: Pont-Tuset and Marques, "Supervised Evaluation of Image Segmentation and Object Proposal
#: Techniques", TPAMI 2016). ``mti``: that of the multi-task survey and MTI-Net, without
#: non-maximum suppression. ``bsds``: the BSDS500 benchmark (Arbelaez et al., TPAMI 2011).
PROTOCOLS: dict[str, EdgeProtocol] = {
    'seism': EdgeProtocol(
        thresholds=(0.001, *_HUNDREDTHS, 0.999),
        suppress=True,
        strict=True,
        round_suppressed=False,
        single_precision=True,
        max_dist=None,
    ),
    'mti': EdgeProtocol(
        thresholds=_HUNDREDTHS,
        suppress=False,
        strict=False,
        round_suppressed=False,
        single_precision=False,
        max_dist=0.0075,
    ),
    'bsds': EdgeProtocol(
        thresholds=_HUNDREDTHS,
        suppress=True,
        strict=False,
        round_suppressed=True,
        single_precision=False,
        max_dist=0.0075,
    ),
}


def evaluate_image(
    prob: NDArray,
    gt: NDArray,
    *,
    max_dist: float,
    protocol: str = 'seism',
    matcher: str = 'seism',
    seed: int = 0,
    thresholds: Sequence[float] | None = None,
    quantize: bool = True,
) -> NDArray[np.int64]:
    """Count matched and present boundary pixels of one image at every threshold.

    Args:
        prob: ``(H, W)`` boundary probabilities in [0, 1], or uint8 that stands for ``prob / 255``.
        gt: ``(H, W)`` thinned ground truth of zeros and ones (see :func:`partition_to_boundary`
            and :func:`thin`), or ``(A, H, W)`` of several annotators.
        max_dist: Largest distance of a match relative to the image diagonal: 0.011 for NYUD,
            0.0075 for PASCAL-Context and BSDS500.
        protocol: A key of :data:`PROTOCOLS`.
        matcher: ``'seism'`` draws the randomised graph of the published scores; ``'max'`` counts a
            maximum matching, which is deterministic, faster, and at most a few pairs larger.
        seed: Seed of the randomised graph, in [0, 2**63).
        thresholds: Increasing thresholds in [0, 1) instead of the protocol's own.
        quantize: Truncate ``prob`` to 8 bits, as a prediction saved as a PNG is.

    Returns:
        ``(T, 4)`` int64, columns cntR (matched ground truth pixels, summed over annotators), sumR
        (ground truth pixels, summed over annotators), cntP (predicted pixels matched to any
        annotator), sumP (predicted pixels).

    Raises:
        ValueError: If a shape, a value or a name is not as described.
    """
    prob, gt = np.asarray(prob), np.asarray(gt)
    rules = get_protocol(protocol)
    limits = check_thresholds(rules.thresholds if thresholds is None else thresholds)
    if matcher not in MATCHERS:
        raise ValueError(f'matcher must be one of {MATCHERS}, got {matcher!r}')
    if not 0 < max_dist < 1:
        raise ValueError(f'max_dist must lie in (0, 1), got {max_dist}')
    if not 0 <= seed < 2**63:
        raise ValueError(f'seed must lie in [0, 2**63), got {seed}')
    annotators = _as_annotators(gt, prob.shape)

    maps = thin_levels(_levels(prob, rules, limits, quantize), len(limits))
    radius = match_distance(maps.shape, max_dist)
    graph_seed = seed if matcher == 'seism' else None
    counts = np.zeros((len(limits), 4), dtype=np.int64)
    counts[:, 1] = np.count_nonzero(annotators)
    counts[:, 3] = maps.sizes
    if len(annotators) == 1:
        counts[:, 0] = count_matches(maps, annotators[0], radius=radius, seed=graph_seed)
        counts[:, 2] = counts[:, 0]
    else:
        counts[:, 0], counts[:, 2] = count_matches_of_annotators(
            maps, annotators, radius=radius, seed=graph_seed
        )
    return counts


def ground_truth(label: NDArray, kind: str) -> NDArray[np.bool_]:
    """Make the ground truth of :func:`evaluate_image`, as the published scores do.

    Args:
        label: ``(H, W)``: for ``'label_map'`` the class or instance ids of PASCAL-Context's label
            map; for ``'edge_image'`` NYUD's edge image, whose two values count as two regions, so
            that both sides of a line are boundaries before thinning joins them again; for
            ``'lines'`` a map of boundaries (not 0) that only need thinning.
        kind: One of :data:`GROUND_TRUTHS`.

    Returns:
        ``(H, W)`` bool, lines one pixel wide.

    Raises:
        ValueError: If ``kind`` is unknown, ``label`` is no map, or a map of boundaries has more
            than two values.
    """
    if kind not in GROUND_TRUTHS:
        raise ValueError(f'ground_truth must be one of {GROUND_TRUTHS}, got {kind!r}')
    label = np.asarray(label)
    if kind != 'label_map' and not ((label == 0) | (label == label.max(initial=0))).all():
        raise ValueError(
            'a ground truth of boundaries must have two values, 0 and another, got '
            f'{np.unique(label)[:5].tolist()} and perhaps more'
        )
    if kind == 'lines':
        return thin(label)
    return thin(partition_to_boundary(label, relabel=kind == 'label_map'))


def choose_max_dist(max_dist: float | None, *, dataset: str | None, protocol: str) -> float:
    """Choose the allowed distance: the given one, else the protocol's own, else the data set's.

    Raises:
        ValueError: If the protocol is unknown, none of them tells, or it lies outside (0, 1).
    """
    chosen = get_protocol(protocol).max_dist if max_dist is None else max_dist
    if chosen is None:
        if dataset not in BENCHMARKS:
            raise ValueError(
                f'max_dist: give it, or one of the data sets {tuple(BENCHMARKS)}; got {dataset!r}'
            )
        chosen = BENCHMARKS[dataset].max_dist
    if not 0 < chosen < 1:
        raise ValueError(f'max_dist must lie in (0, 1), got {chosen}')
    return chosen


def image_seed(img_id: str, seed: int = 0) -> int:
    """Derive the seed of one image, the same in any process and any order of the images."""
    digest = hashlib.blake2b(f'{seed}:{img_id}'.encode(), digest_size=7).digest()
    return int.from_bytes(digest, 'little')


def get_protocol(protocol: str) -> EdgeProtocol:
    """Look up a protocol by name.

    Raises:
        ValueError: If there is none of that name.
    """
    if protocol not in PROTOCOLS:
        raise ValueError(f'protocol must be one of {tuple(PROTOCOLS)}, got {protocol!r}')
    return PROTOCOLS[protocol]


def check_thresholds(thresholds: Sequence[float]) -> NDArray[np.float64]:
    """Convert thresholds to an array and check that they increase within [0, 1)."""
    limits = np.asarray(thresholds, dtype=np.float64)
    valid = limits.ndim == 1 and limits.size > 0 and bool(np.all(np.diff(limits) > 0))
    if not (valid and limits[0] >= 0 and limits[-1] < 1):
        raise ValueError(f'thresholds must increase within [0, 1), got {thresholds}')
    return limits


def _as_annotators(gt: NDArray, shape: tuple[int, ...]) -> NDArray[np.bool_]:
    """Check a ground truth and view it as ``(A, H, W)`` bool."""
    if gt.ndim not in (2, 3) or gt.shape[-2:] != shape or gt.shape[0] == 0:
        raise ValueError(
            f'gt must have the shape of prob {shape}, or (A, *that), got shape {gt.shape}'
        )
    if gt.dtype != np.bool_ and not ((gt == 0) | (gt == 1)).all():
        raise ValueError(
            'gt must hold zeros and ones (a thinned boundary map), '
            f'got values from {gt.min()} to {gt.max()}'
        )
    return gt.reshape(-1, *shape).astype(np.bool_)


def _levels(
    prob: NDArray, rules: EdgeProtocol, limits: NDArray[np.float64], quantize: bool
) -> NDArray[np.uint16]:
    """Count, per pixel, the thresholds that it passes."""
    if prob.dtype != np.uint8:
        as_probability(prob)  # for the checks
        if quantize:
            # In the data type of the prediction, as the published code bases write their PNGs.
            prob = (prob * prob.dtype.type(255)).astype(np.uint8)
    values: NDArray
    if rules.suppress:
        values = nms(prob)
        if rules.round_suppressed:
            values = np.rint(values * np.float32(255)).astype(np.uint8)
    else:
        values = prob
    dtype = np.float32 if rules.single_precision else np.float64
    if values.dtype == np.uint8:
        values = np.divide(values, 255, dtype=dtype)
    if not rules.strict:
        limits = np.maximum(limits, np.finfo(np.float64).eps)  # 0 never counts as a boundary
    side: Literal['left', 'right'] = 'left' if rules.strict else 'right'
    flat = np.zeros(values.size, dtype=np.uint16)
    positive = np.flatnonzero(values)
    flat[positive] = np.searchsorted(
        limits.astype(dtype), values.ravel()[positive].astype(dtype), side=side
    )
    return flat.reshape(values.shape)


def summarize(
    counts: ArrayLike,
    *,
    thresholds: Sequence[float] | None = None,
    interpolate: bool = False,
) -> dict[str, float]:
    """Turn the counts of all images into the scores of the data set.

    * odsF: the largest F of the counts added over the images, over the thresholds.
    * oisF: the F of the counts added over the images, each at its own best threshold. "Best" is
      the first largest F rounded to 6 decimals, as the original reads F from a text file.
    * AP: the precision at recall 0, 0.01, ..., 1, interpolated linearly between the thresholds and
      counted only inside their range; the sum over 100, so a perfect curve gives 1.01.

    Args:
        counts: ``(N, T, 4)`` integers from :func:`evaluate_image`.
        thresholds: The T thresholds; by default those of ``'seism'`` if T is 101, and else T evenly
            spaced ones as in the other protocols: 1 / (T + 1), ..., T / (T + 1).
        interpolate: Search odsF also between neighbouring thresholds, as the BSDS500 benchmark
            does, with 100 linear steps of precision and recall.

    Returns:
        ``odsF``, ``oisF``, ``AP``, and precision, recall and threshold at odsF as ``odsP``,
        ``odsR`` and ``odsT``. Fractions, not percent.

    Raises:
        ValueError: If ``counts`` holds no image, or has another shape or negative values.
    """
    array = np.asarray(counts)
    if array.ndim != 3 or array.shape[2] != 4 or array.size == 0 or array.dtype.kind not in 'iu':
        raise ValueError(
            f'counts must be integers of shape (N, T, 4) with N, T >= 1, got shape {array.shape} '
            f'and dtype {array.dtype}'
        )
    if array.min() < 0:
        raise ValueError(f'counts must not be negative, got {array.min()}')
    array = array.astype(np.int64)
    return summarize_statistics(
        image_statistics(array), thresholds=thresholds, interpolate=interpolate
    )


def image_statistics(counts: NDArray[np.int64]) -> NDArray[np.int64]:
    """Append each image's counts at its own best threshold, on which oisF depends.

    All scores depend on the sums of these statistics over the images only.

    Args:
        counts: ``(..., T, 4)`` from :func:`evaluate_image`.

    Returns:
        ``(..., T + 1, 4)``.
    """
    recall = _ratio(counts[..., 0], counts[..., 1], empty=1.0)
    precision = _ratio(counts[..., 2], counts[..., 3], empty=1.0)
    # No ground truth: recall 1, precision 0. Else no prediction: recall 0, precision 1.
    precision[counts[..., 1] == 0] = 0
    best = np.round(_f_measure(precision, recall), 6).argmax(axis=-1)[..., None, None]
    return np.concatenate([counts, np.take_along_axis(counts, best, axis=-2)], axis=-2)


def summarize_statistics(
    stats: NDArray,
    *,
    thresholds: Sequence[float] | None = None,
    interpolate: bool = False,
) -> dict[str, float]:
    """Compute the scores of a set of images from their statistics, see :func:`summarize`.

    Args:
        stats: ``(N, T + 1, 4)``, from :func:`image_statistics`; a bootstrap weights them.
        thresholds: The T thresholds, see :func:`summarize`.
        interpolate: Search odsF also between neighbouring thresholds.
    """
    totals = stats.sum(axis=0)
    precision, recall = _data_set_precision_recall(totals[:-1])
    best_precision, best_recall = _data_set_precision_recall(totals[-1:])
    limits = _thresholds_of(len(precision), thresholds)
    average_precision = _average_precision(precision, recall)
    if interpolate:
        precision, recall, limits = (
            _between_neighbours(values) for values in (precision, recall, limits)
        )
    f_measure = _f_measure(precision, recall)
    best = int(f_measure.argmax())
    return dict(
        odsF=float(f_measure[best]),
        oisF=float(_f_measure(best_precision, best_recall)[0]),
        AP=average_precision,
        odsT=float(limits[best]),
        odsP=float(precision[best]),
        odsR=float(recall[best]),
    )


def _thresholds_of(number: int, thresholds: Sequence[float] | None) -> NDArray[np.float64]:
    """Find the thresholds that belong to a number of rows."""
    if thresholds is None:
        if number == len(PROTOCOLS['seism'].thresholds):
            thresholds = PROTOCOLS['seism'].thresholds
        else:
            thresholds = [(i + 1) / (number + 1) for i in range(number)]
    if len(thresholds) != number:
        raise ValueError(f'thresholds must have the {number} values of counts, got {thresholds}')
    return check_thresholds(thresholds)


def _ratio(part: NDArray, whole: NDArray, *, empty: float) -> NDArray[np.float64]:
    """Divide, with a value of its own where there is nothing to divide by."""
    return np.where(whole > 0, part / np.maximum(whole, 1), empty)


def _f_measure(precision: NDArray, recall: NDArray) -> NDArray[np.float64]:
    """Compute the harmonic mean, 0 where both are 0."""
    total = precision + recall
    return 2 * precision * recall / np.where(total > 0, total, 1)


def _data_set_precision_recall(
    totals: NDArray[np.int64],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Compute precision and recall of summed counts ``(T, 4)``, empty cases as the original."""
    cnt_r, sum_r, cnt_p, sum_p = totals.T
    matched = cnt_r > 0
    recall = np.where(matched, _ratio(cnt_r, sum_r, empty=0.0), 0.0)
    precision = np.where(matched, _ratio(cnt_p, sum_p, empty=0.0), 0.0)
    recall[sum_r == 0], precision[sum_r == 0] = 1.0, 0.0
    recall[sum_p == 0], precision[sum_p == 0] = 0.0, 1.0
    return precision, recall


def _average_precision(precision: NDArray, recall: NDArray) -> float:
    """Sum the interpolated precision at recall 0, 0.01, ..., 1, over 100."""
    recall, first = np.unique(recall, return_index=True)
    if recall.size < 2:
        return 0.0
    grid = np.arange(101) / 100
    curve = np.interp(grid, recall, precision[first], left=0.0, right=0.0)
    return float(curve.sum() / 100)


def _between_neighbours(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Replace each pair of neighbours by 100 linear steps from one to the other."""
    share = np.linspace(0, 1, 100)
    if values.size < 2:
        return values
    return (values[:-1, None] * (1 - share) + values[1:, None] * share).ravel()
