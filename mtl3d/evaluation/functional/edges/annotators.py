"""Boundary matches against several annotators of one image.

A predicted pixel counts once if it matches any annotator, so it matters **which** pixels match and
not only how many; distances then decide, and a general assignment solver takes the place of the
counting one in :mod:`mtl3d.evaluation.functional.edges.matching`. It is some 20 times slower.
"""

import math

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array
from scipy.sparse.csgraph import min_weight_full_bipartite_matching

from mtl3d.evaluation.functional.edges.matching import Links, link, outlier_graph, random_state
from mtl3d.evaluation.functional.edges.thinning import ThinMaps


def count_matches_of_annotators(
    maps: ThinMaps, annotators: NDArray[np.bool_], *, radius: float, seed: int | None
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Count the matches of each thinned map with several ground truths.

    Args:
        maps: The predictions of one image, T of them.
        annotators: ``(A, H, W)`` bool.
        radius: Largest distance of a pair, in pixels.
        seed: Seed of the randomised graph of the published scores; None for a matching of maximum
            cardinality, the nearest one of these.

    Returns:
        The matched ground truth pixels summed over the annotators, and the predicted pixels that
        match any annotator: two ``(T,)`` int64, lowest threshold first.
    """
    num_maps = maps.offsets.size - 1
    matched_gt = np.zeros(num_maps, dtype=np.int64)
    matched = np.zeros((num_maps, math.prod(maps.shape)), dtype=np.bool_)
    for number, gt in enumerate(annotators):
        links = link(maps, gt, radius)
        for m in range(num_maps):
            present = links.nodes[maps.offsets[m] : maps.offsets[m + 1]]
            present = present[links.indptr[present + 1] > links.indptr[present]]
            if present.size == 0:
                continue
            threshold = num_maps - 1 - m
            if seed is None:
                partners = _nearest_maximum_matching(links, present, maps.shape[1], radius)
            else:
                state = random_state(np.uint64(seed), number * num_maps + threshold)
                partners = _reference_matching(links, present, maps.shape[1], radius, state)
            matched_gt[threshold] += partners.size
            matched[threshold, links.pixels[partners]] = True
    return matched_gt, matched.sum(axis=1)


def _outlier_cost(radius: float) -> int:
    """Compute the reference's cost of an outlier edge, in hundredths of a pixel."""
    return math.ceil(100 * 100 * radius)


def _distance_cost(links: Links, nodes: NDArray, gt: NDArray, width: int) -> NDArray[np.float64]:
    """Compute the cost of pairs: their distance, rounded to hundredths of a pixel."""
    y, x = np.divmod(links.pixels[nodes], width)
    gt_y, gt_x = np.divmod(links.gt_pixels[gt], width)
    return np.rint(100 * np.hypot(y - gt_y, x - gt_x))


def _nearest_maximum_matching(
    links: Links, present: NDArray[np.int32], width: int, radius: float
) -> NDArray[np.int32]:
    """List the nodes of the maximum matching that has the smallest sum of distances."""
    degree = links.indptr[present + 1] - links.indptr[present]
    rows = np.repeat(np.arange(present.size), degree)
    starts = np.repeat(links.indptr[present] - np.cumsum(degree) + degree, degree)
    gt = links.indices[starts + np.arange(rows.size)]
    # A private way out for every row makes the assignment full; zero would mean "no edge".
    out = np.arange(present.size)
    weights = np.concatenate(
        [
            _distance_cost(links, present[rows], gt, width) + 1,
            np.full(out.size, _outlier_cost(radius) + 1.0),
        ]
    )
    num_gt = links.gt_pixels.size
    columns = np.concatenate([gt, num_gt + out])
    graph = csr_array(
        (weights, (np.concatenate([rows, out]), columns)), shape=(out.size, num_gt + out.size)
    )
    row, column = min_weight_full_bipartite_matching(graph)
    return present[row[column < num_gt]]


def _reference_matching(
    links: Links,
    present: NDArray[np.int32],
    width: int,
    radius: float,
    state: NDArray[np.uint64],
) -> NDArray[np.int32]:
    """List the nodes that a cheapest perfect matching of the randomised graph pairs."""
    indptr, columns, costs, lefts, rights = outlier_graph(
        links.indptr, links.indices, present, links.gt_pixels.size, state
    )
    size = lefts.size + rights.size
    rows = np.repeat(np.arange(size), np.diff(indptr))
    is_true = costs == 0
    weights = costs.astype(np.float64) * _outlier_cost(radius)
    weights[is_true] = _distance_cost(links, lefts[rows[is_true]], rights[columns[is_true]], width)
    graph = csr_array((weights + 1, columns, indptr), shape=(size, size))
    row, column = min_weight_full_bipartite_matching(graph)
    return lefts[row[(row < lefts.size) & (column < rights.size)]]
