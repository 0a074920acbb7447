"""Boundary evaluation (odsF, oisF, AP) without MATLAB, in NumPy and numba.

Nothing here knows of registries, samples or files: maps in, counts and scores out.
"""

from mtl3d.evaluation.functional.edges.nms import nms
from mtl3d.evaluation.functional.edges.protocol import (
    BENCHMARKS,
    GROUND_TRUTHS,
    MATCHERS,
    PROTOCOLS,
    EdgeBenchmark,
    EdgeProtocol,
    check_thresholds,
    choose_max_dist,
    evaluate_image,
    ground_truth,
    image_seed,
    image_statistics,
    summarize,
    summarize_statistics,
)
from mtl3d.evaluation.functional.edges.thinning import partition_to_boundary, thin

__all__ = [
    'BENCHMARKS',
    'GROUND_TRUTHS',
    'MATCHERS',
    'PROTOCOLS',
    'EdgeBenchmark',
    'EdgeProtocol',
    'check_thresholds',
    'choose_max_dist',
    'evaluate_image',
    'ground_truth',
    'image_seed',
    'image_statistics',
    'nms',
    'partition_to_boundary',
    'summarize',
    'summarize_statistics',
    'thin',
]
