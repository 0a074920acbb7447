"""F-measure and IoU of saliency maps over thresholds.

Two families of numbers are in use. InvPT and ATRC report ``maxF`` with beta^2 = 0.3 (Achanta et
al., CVPR 2009) from counts pooled over the set; the survey and ASTMT report the largest mean
Jaccard index over images, ``mIoU``, and a maxF of another definition.

Statistics of an image: float64 ``(85,)``: per pooled threshold the true positives (19) and the
predicted positives (19), the actual positives (1), per image-wise threshold the Jaccard index (15),
the precision (15) and the recall (15), and 1 for the image itself (0 where nothing is labelled).
They add up over images.
"""

from typing import Literal

import numpy as np

IGNORE_INDEX = 255

#: Thresholds of the pooled F-measure.
POOLED_THRESHOLDS = np.arange(1, 20) / 20
#: Thresholds of the image-wise measures.
IMAGE_THRESHOLDS = np.arange(4, 19) / 20

_SECTIONS = np.cumsum([19, 19, 1, 15, 15, 15])


def image_statistics(
    pred: np.ndarray, gt: np.ndarray, *, protocol: str = 'published'
) -> np.ndarray:
    """Reduce one image.

    Args:
        pred: Probability of being salient, float in [0, 1] of any shape, or uint8 in 0..255.
        gt: 0 or 1 of the same shape, 255 = ignore.
        protocol: ``published`` compares ``sigmoid(probability)`` with the pooled thresholds: the
            code of InvPT squashes the softmax's output once more, which leaves 4 of the 19
            thresholds (0.55 to 0.70) to decide, at probabilities 0.20, 0.41, 0.62 and 0.85. The
            other protocols compare the probability itself (``clean`` is ATRC's definition). In
            ``published`` and ``survey`` the image-wise measures see the map truncated to 8 bits,
            as the survey's result files hold it.

    Returns:
        ``(85,)`` float64.

    Raises:
        ValueError: A probability lies outside [0, 1] where ``gt`` is labelled.
    """
    valid = gt != IGNORE_INDEX
    salient = gt[valid] >= 0.5
    probability = pred[valid].astype(np.float64)
    if pred.dtype == np.uint8:
        probability /= 255
    if not len(salient):
        return np.zeros(_SECTIONS[-1] + 1)

    # Written so that NaN fails too.
    if not (probability.min() >= 0 and probability.max() <= 1):
        raise ValueError(
            f'probabilities must lie in [0, 1], got [{probability.min()}, {probability.max()}]'
        )

    squashed = 1 / (1 + np.exp(-probability)) if protocol == 'published' else probability
    pooled_true, pooled_positive = _counts(squashed, salient, POOLED_THRESHOLDS, side='right')

    stored = probability
    if protocol != 'clean' and pred.dtype != np.uint8:
        stored = np.floor(255 * probability) / 255
    true, positive = _counts(stored, salient, IMAGE_THRESHOLDS, side='left')
    actual = salient.sum()
    union = positive + actual - true
    jaccard = np.where(union > 0, true / np.maximum(union, 1), 1.0)
    precision, recall = true / (positive + 1e-12), true / (actual + 1e-12)
    return np.concatenate(
        [pooled_true, pooled_positive, [actual], jaccard, precision, recall, [1]]
    ).astype(np.float64)


def _counts(
    values: np.ndarray,
    salient: np.ndarray,
    thresholds: np.ndarray,
    *,
    side: Literal['left', 'right'],
) -> tuple[np.ndarray, np.ndarray]:
    """Count true and all positives per threshold: ``>=`` for side ``right``, ``>`` for ``left``."""
    passed = np.searchsorted(thresholds, values, side=side)  # how many thresholds each one passes
    counts = []
    for group in (passed[salient], passed):
        histogram = np.bincount(group, minlength=len(thresholds) + 1)
        counts.append(histogram[::-1].cumsum()[::-1][1:])
    return counts[0], counts[1]


def summarize(stats: np.ndarray, *, protocol: str = 'published') -> dict[str, float]:
    """Compute the scores of a set of images.

    Args:
        stats: ``(N, 85)``, from :func:`image_statistics` with the same protocol.
        protocol: ``published`` and ``clean``: maxF from pooled counts with beta^2 = 0.3;
            ``survey``: from the image-averaged precision and recall with beta^2 = 1.

    Returns:
        In percent ``maxF`` and ``mIoU``, each at its best threshold. NaN where nothing is labelled.
    """
    true, positive, actual, jaccard, precision, recall, images = np.split(
        stats.sum(axis=0).astype(np.float64), _SECTIONS
    )
    if images[0] == 0:
        return dict(maxF=np.nan, mIoU=np.nan)
    if protocol == 'survey':
        p, r = precision / images, recall / images
        f_measure = 2 * p * r / (p + r + 1e-12)
    else:
        # 1.3 P R / (0.3 P + R) in counts; without positives it is 0 where the formula is 0 / 0.
        denominator = 0.3 * actual + positive
        f_measure = 1.3 * true / np.maximum(denominator, 1)
    return dict(
        maxF=float(100 * f_measure.max()),
        mIoU=float(100 * (jaccard / images).max()),
    )
