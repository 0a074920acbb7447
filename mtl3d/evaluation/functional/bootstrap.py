"""Confidence intervals over images, from the statistics that the metrics keep anyway."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np

Summarize = Callable[[np.ndarray], Mapping[str, float]]


def bootstrap(
    stats: np.ndarray,
    summarize: Summarize,
    *,
    num_replicates: int = 1000,
    level: float = 0.95,
    seed: int = 0,
    additive: bool = True,
) -> dict[str, tuple[float, float]]:
    """Compute percentile bootstrap intervals over images (Efron and Tibshirani, 1993, ch. 13).

    Args:
        stats: ``(N, ...)`` per-image statistics.
        summarize: From ``(M, ...)`` statistics to metric values.
        num_replicates: How many replicates to draw.
        level: Coverage, in (0, 1).
        seed: Of the random generator; the same seed gives the same intervals.
        additive: See :func:`replicate`.

    Returns:
        Metric -> (low, high), in the unit of the metric.

    Raises:
        ValueError: No images, no replicates, or a level outside (0, 1).
    """
    weights = draw_weights(len(stats), num_replicates=num_replicates, seed=seed)
    scores = replicate(stats, weights, summarize, additive=additive)
    return {
        name: percentile_interval([values[name] for values in scores], level=level)
        for name in scores[0]
    }


def draw_weights(count: int, *, num_replicates: int, seed: int = 0) -> np.ndarray:
    """Draw images with replacement.

    Args:
        count: N, the number of images, of which every replicate draws as many.
        num_replicates: R.
        seed: Of the random generator.

    Returns:
        ``(R, N)`` int64: how often each replicate has drawn each image.

    Raises:
        ValueError: There are no images or no replicates.
    """
    if count < 1:
        raise ValueError('bootstrap needs the statistics of at least one image')
    if num_replicates < 1:
        raise ValueError(f'num_replicates={num_replicates}: must be at least 1')
    rng = np.random.default_rng(seed)
    return rng.multinomial(count, np.full(count, 1 / count), size=num_replicates)


def replicate(
    stats: np.ndarray, weights: np.ndarray, summarize: Summarize, *, additive: bool = True
) -> list[Mapping[str, float]]:
    """Compute the metrics of every replicate.

    Args:
        stats: ``(N, ...)`` per-image statistics.
        weights: ``(R, N)``, from :func:`draw_weights`.
        summarize: From ``(M, ...)`` statistics to metric values.
        additive: ``summarize`` depends on the sum over images only, so a replicate costs one
            weighted sum; with False the images are really repeated.

    Returns:
        R times metric -> value.
    """
    if not additive:
        return [summarize(np.repeat(stats, row, axis=0)) for row in weights]
    sums = weights.astype(np.float64) @ stats.reshape(len(stats), -1).astype(np.float64)
    return [summarize(row.reshape(1, *stats.shape[1:])) for row in sums]


def percentile_interval(values: Sequence[float], *, level: float = 0.95) -> tuple[float, float]:
    """Read an interval off the replicates.

    Args:
        values: One value per replicate.
        level: Coverage, in (0, 1).

    Returns:
        The quantiles ``(1 - level) / 2`` and ``(1 + level) / 2``.

    Raises:
        ValueError: ``level`` lies outside (0, 1).
    """
    if not 0 < level < 1:
        raise ValueError(f'level={level}: must lie between 0 and 1')
    low, high = np.quantile(values, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)
