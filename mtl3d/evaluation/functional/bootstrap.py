"""Confidence intervals over images, from the statistics that the metrics keep anyway."""

from collections.abc import Callable, Mapping

import numpy as np

# Weights of this many replicates are drawn at once; bounds the memory to a few tens of MB.
_CHUNK = 100


def bootstrap(
    stats: np.ndarray,
    summarize: Callable[[np.ndarray], Mapping[str, float]],
    *,
    num_replicates: int = 1000,
    level: float = 0.95,
    seed: int = 0,
    additive: bool = True,
) -> dict[str, tuple[float, float]]:
    """Compute percentile bootstrap intervals over images (Efron and Tibshirani, 1993, ch. 13).

    Every replicate draws N images with replacement and computes the metrics again from their
    statistics; the interval lies between the quantiles ``(1 - level) / 2`` and
    ``(1 + level) / 2``.

    Args:
        stats: ``(N, ...)`` per-image statistics.
        summarize: From ``(M, ...)`` statistics to metric values.
        num_replicates: How many replicates to draw.
        level: Coverage, in (0, 1).
        seed: Of the random generator; the same seed gives the same intervals.
        additive: ``summarize`` depends on the sum over images only, so a replicate costs one
            weighted sum; with False the images are really drawn.

    Returns:
        Metric -> (low, high), in the unit of the metric.

    Raises:
        ValueError: No images, no replicates, or a level outside (0, 1).
    """
    if len(stats) == 0:
        raise ValueError('bootstrap needs the statistics of at least one image')
    if num_replicates < 1:
        raise ValueError(f'num_replicates={num_replicates}: must be at least 1')
    if not 0 < level < 1:
        raise ValueError(f'level={level}: must lie between 0 and 1')
    rng = np.random.default_rng(seed)
    count = len(stats)
    replicates: list[Mapping[str, float]] = []
    if additive:
        flat = stats.reshape(count, -1).astype(np.float64)
        uniform = np.full(count, 1 / count)
        for start in range(0, num_replicates, _CHUNK):
            size = min(_CHUNK, num_replicates - start)
            weights = rng.multinomial(count, uniform, size=size).astype(np.float64)
            sums = (weights @ flat).reshape(size, 1, *stats.shape[1:])
            replicates.extend(summarize(pooled) for pooled in sums)
    else:
        for _ in range(num_replicates):
            replicates.append(summarize(stats[rng.integers(0, count, count)]))
    tails = [(1 - level) / 2, (1 + level) / 2]
    intervals = {}
    for name in replicates[0]:
        low, high = np.quantile([values[name] for values in replicates], tails)
        intervals[name] = (float(low), float(high))
    return intervals
