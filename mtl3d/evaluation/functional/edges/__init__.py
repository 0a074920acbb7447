"""Boundary evaluation (odsF, oisF, AP) without MATLAB, in NumPy and numba.

Nothing here knows of registries, samples or files: maps in, counts and scores out.
"""

from mtl3d.evaluation.functional.edges.nms import nms
from mtl3d.evaluation.functional.edges.protocol import (
    MATCHERS,
    MAX_DIST,
    PROTOCOLS,
    EdgeProtocol,
    evaluate_image,
    summarize,
)
from mtl3d.evaluation.functional.edges.thinning import partition_to_boundary, thin

__all__ = [
    'MATCHERS',
    'MAX_DIST',
    'PROTOCOLS',
    'EdgeProtocol',
    'evaluate_image',
    'nms',
    'partition_to_boundary',
    'summarize',
    'thin',
]
