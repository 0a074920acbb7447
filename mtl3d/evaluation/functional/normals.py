"""Angles between predicted and true surface normals (Fouhey et al., ICCV 2013, section 5).

Statistics of an image: float64 ``(6 + B,)``: pixels, sum of angles, sum of squared angles, pixels
under 11.25, 22.5 and 30 degrees, and a histogram of the angles with B bins, from which the median
of a whole set is read. They add up over images.
"""

import numpy as np

THRESHOLDS = (11.25, 22.5, 30.0)

#: Bin edges in degrees: steps of 0.02 up to 60, of 0.5 from there to 180.
BIN_EDGES = np.concatenate([np.arange(3000) * 0.02, 60 + np.arange(241) * 0.5])


def encode(normals: np.ndarray) -> np.ndarray:
    """Store unit vectors in 8 bits, truncating, as the survey's result files do.

    Args:
        normals: Components in [-1, 1].

    Returns:
        uint8 of the same shape, ``floor((n + 1) * 255 / 2)``.
    """
    return np.clip((normals + 1) * (255 / 2), 0, 255).astype(np.uint8)


def decode(encoded: np.ndarray) -> np.ndarray:
    """Read the vectors that :func:`encode` stored: float64 ``2 v / 255 - 1``, not unit length."""
    return 2 * encoded.astype(np.float64) / 255 - 1


def angles(pred: np.ndarray, gt: np.ndarray) -> np.ndarray:
    """Compute the angle of each pair of vectors as ``atan2(|p x g|, p . g)``.

    Unlike the arc cosine of the scalar product this is accurate for small angles too, and it needs
    no unit vectors. A predicted zero vector is 90 degrees away from everything.

    Args:
        pred: ``(3, ...)`` vectors of any length.
        gt: ``(3, ...)`` vectors of any length but zero.

    Returns:
        ``(...)`` float64 degrees in [0, 180].
    """
    px, py, pz = pred.astype(np.float64)
    gx, gy, gz = gt.astype(np.float64)
    cross = np.sqrt((py * gz - pz * gy) ** 2 + (pz * gx - px * gz) ** 2 + (px * gy - py * gx) ** 2)
    degrees = np.degrees(np.arctan2(cross, px * gx + py * gy + pz * gz))
    return np.where((px == 0) & (py == 0) & (pz == 0), 90.0, degrees)


def _histogram(degrees: np.ndarray) -> np.ndarray:
    """Sort angles into :data:`BIN_EDGES`, faster than a search among the edges."""
    degrees = degrees[~np.isnan(degrees)]  # a NaN shows in the mean
    bins = np.where(degrees < 60, degrees * 50, 3000 + (degrees - 60) * 2).astype(np.int64)
    count = len(BIN_EDGES) - 1
    return np.bincount(np.minimum(bins, count - 1), minlength=count)


def image_statistics(
    pred: np.ndarray, gt: np.ndarray, *, protocol: str = 'published'
) -> np.ndarray:
    """Reduce one image's angles.

    Args:
        pred: ``(3, H, W)`` float vectors, or uint8 from :func:`encode`.
        gt: ``(3, H, W)`` float vectors; a zero vector is no label.
        protocol: ``survey`` sends float predictions through the 8 bits of its result files, which
            tilts them by 0.3 degrees on average, 0.8 at most; ``published`` (InvPT, ATRC) and
            ``clean`` take them as they are.

    Returns:
        ``(6 + B,)`` float64.
    """
    valid = (gt != 0).any(axis=0)
    predicted, truth = pred[:, valid], gt[:, valid]
    if predicted.dtype == np.uint8:
        predicted = decode(predicted)
    elif protocol == 'survey':
        length = np.linalg.norm(predicted, axis=0)
        predicted = decode(encode(predicted / np.maximum(length, 1e-12)))
    degrees = angles(predicted, truth)
    under = [(degrees < threshold).sum() for threshold in THRESHOLDS]
    sums = [len(degrees), degrees.sum(), (degrees**2).sum(), *under]
    return np.concatenate([sums, _histogram(degrees)]).astype(np.float64)


def summarize(stats: np.ndarray) -> dict[str, float]:
    """Compute the scores of a set of images, pooled over all its labelled pixels.

    Args:
        stats: ``(N, 6 + B)``, from :func:`image_statistics`.

    Returns:
        In degrees ``mean`` (the papers' mErr), ``median`` and ``rmse``; in percent
        ``within_11.25``, ``within_22.5`` and ``within_30``. The median comes from the histogram
        and is off by less than 0.02 degrees (0.5 above 60). NaN where no pixel is labelled.
    """
    pixels, angle, squared, *rest = stats.sum(axis=0).astype(np.float64)
    under, histogram = rest[: len(THRESHOLDS)], np.array(rest[len(THRESHOLDS) :])
    pixels = pixels or np.nan
    return dict(
        mean=float(angle / pixels),
        median=_median(histogram),
        rmse=float(np.sqrt(squared / pixels)),
        **{
            f'within_{threshold:g}': float(100 * count / pixels)
            for threshold, count in zip(THRESHOLDS, under, strict=True)
        },
    )


def _median(histogram: np.ndarray) -> float:
    """Read the median off, as if the angles of a bin were spread evenly over it."""
    cumulative = np.cumsum(histogram)
    total = cumulative[-1]
    if total == 0:
        return float('nan')
    middle = [np.floor((total - 1) / 2), np.ceil((total - 1) / 2)]
    values = []
    for rank in middle:
        index = int(np.searchsorted(cumulative, rank, side='right'))
        inside = rank - (cumulative[index] - histogram[index])
        width = BIN_EDGES[index + 1] - BIN_EDGES[index]
        values.append(BIN_EDGES[index] + width * (inside + 0.5) / histogram[index])
    return float(np.mean(values))
