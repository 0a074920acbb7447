"""How many predicted boundary pixels find a partner of their own in the ground truth.

Two counts are offered, both for all thresholds of one image at once:

* the maximum cardinality of a matching within the allowed distance, by augmenting paths (Berge,
  "Two Theorems in Graph Theory", PNAS 1957);
* the count of the published scores, which is at most a few pairs smaller: there the matching comes
  from a minimum-cost assignment on a graph with few, **random** outlier edges (Martin, Fowlkes and
  Malik, "Learning to Detect Natural Image Boundaries Using Local Brightness, Color, and Texture
  Cues", TPAMI 2004, appendix B). It is drawn here from a seeded generator, so the count has the
  distribution of the original's but is reproducible.
"""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from mtl3d.evaluation.functional.edges.kernel import kernel
from mtl3d.evaluation.functional.edges.thinning import ThinMaps

#: Random outlier edges per pixel in the reference's graph.
_DEGREE = 6
#: Cost of the edges that guarantee a perfect matching, in units of the outlier cost.
SAFETY_COST = 100
_FAR = np.int64(1) << 40

_GOLDEN_GAMMA = np.uint64(0x9E3779B97F4A7C15)
_MIX_1 = np.uint64(0xBF58476D1CE4E5B9)
_MIX_2 = np.uint64(0x94D049BB133111EB)
_MASK_32 = np.uint64(0xFFFFFFFF)


def match_distance(shape: tuple[int, int], max_dist: float) -> float:
    """Convert a distance relative to the image diagonal to pixels."""
    return max_dist * math.sqrt(shape[0] ** 2 + shape[1] ** 2)


def count_matches(
    maps: ThinMaps, gt: NDArray[np.bool_], *, radius: float, seed: int | None
) -> NDArray[np.int64]:
    """Count the matched pairs of each thinned map with one ground truth.

    Args:
        maps: The predictions of one image, T of them.
        gt: ``(H, W)`` bool.
        radius: Largest distance of a pair, in pixels; a pair exactly at the limit is allowed.
        seed: Seed of the randomised graph of the published scores, or None for the maximum.

    Returns:
        ``(T,)`` int64, lowest threshold first.
    """
    links = link(maps, gt, radius)
    counts = _walk_thresholds(
        links.indptr,
        links.indices,
        links.nodes,
        maps.offsets,
        links.gt_pixels.size,
        seed is not None,
        np.uint64(seed or 0),
    )
    return counts[::-1].copy()


class Links(NamedTuple):
    """Which ground truth pixels each predicted pixel can reach.

    Attributes:
        nodes: The pixels of all maps, in their order, as numbers of ``pixels``.
        pixels: The flat indices of the pixels that occur in a map.
        gt_pixels: The flat indices of the ground truth pixels.
        indptr: Start of each pixel's row in ``indices``.
        indices: Numbers of ``gt_pixels``, nearest first.
    """

    nodes: NDArray[np.int32]
    pixels: NDArray[np.int64]
    gt_pixels: NDArray[np.int64]
    indptr: NDArray[np.int64]
    indices: NDArray[np.int32]


def link(maps: ThinMaps, gt: NDArray[np.bool_], radius: float) -> Links:
    """Connect every pixel that occurs in a map with the ground truth pixels in its reach."""
    used = np.zeros(gt.size, dtype=np.bool_)
    used[maps.pixels] = True
    pixels = np.flatnonzero(used)
    node_of_pixel = np.cumsum(used, dtype=np.int32) - np.int32(1)
    gt_pixels = np.flatnonzero(gt)
    margin = math.floor(radius)
    ids = np.full((gt.shape[0] + 2 * margin, gt.shape[1] + 2 * margin), -1, dtype=np.int32)
    inner = ids[margin : margin + gt.shape[0], margin : margin + gt.shape[1]]
    inner[gt] = np.arange(gt_pixels.size)

    dy, dx = np.mgrid[-margin : margin + 1, -margin : margin + 1]
    squared = dy**2 + dx**2
    order = np.argsort(squared, axis=None, kind='stable')
    order = order[squared.ravel()[order] <= radius**2]
    steps = dy.ravel()[order] * ids.shape[1] + dx.ravel()[order]
    y, x = np.divmod(pixels, gt.shape[1])
    centres = (y + margin) * ids.shape[1] + x + margin
    indptr, indices = _neighbours(centres, steps, ids.ravel())
    return Links(node_of_pixel[maps.pixels], pixels, gt_pixels, indptr, indices)


@kernel
def _neighbours(centres, steps, ids):  # type: ignore[no-untyped-def]
    """List the non-negative ``ids`` at ``steps`` from each centre, in CSR form."""
    indptr = np.zeros(centres.size + 1, dtype=np.int64)
    indices = np.empty(8 * centres.size + steps.size, dtype=np.int32)
    end = 0
    for i in range(centres.size):
        if end + steps.size > indices.size:
            grown = np.empty(2 * indices.size, dtype=np.int32)
            grown[:end] = indices[:end]
            indices = grown
        for k in range(steps.size):
            found = ids[centres[i] + steps[k]]
            indices[end] = found
            end += found >= 0
        indptr[i + 1] = end
    return indptr, indices[:end].copy()


@kernel
def _augment(indptr, indices, free, num_free, mate_left, mate_right):  # type: ignore[no-untyped-def]
    """Turn a matching into a maximum one.

    One breadth-first search for an augmenting path per free node. What a failed search visited can
    be on no augmenting path ever after, so all failures together look at each edge once; and where
    many partners are left, a search ends nearby.

    Args:
        indptr: CSR rows of the left nodes.
        indices: CSR columns, the right nodes.
        free: The unmatched left nodes that take part.
        num_free: How many.
        mate_left: Partner of each left node or -1; changed in place.
        mate_right: Partner of each right node or -1; changed in place.

    Returns:
        The number of pairs gained.
    """
    reached_from = np.empty(mate_right.size, dtype=np.int32)
    seen = np.full(mate_right.size, -1, dtype=np.int32)
    dead = num_free
    queue = np.empty(mate_right.size + 1, dtype=np.int32)
    gained = 0
    for search in range(num_free):
        queue[0] = free[search]
        head, tail = 0, 1
        goal = -1
        while head < tail and goal < 0:
            left = queue[head]
            head += 1
            for e in range(indptr[left], indptr[left + 1]):
                right = indices[e]
                if seen[right] == search or seen[right] == dead:
                    continue
                seen[right] = search
                reached_from[right] = left
                mate = mate_right[right]
                if mate < 0:
                    goal = right
                    break
                queue[tail] = mate
                tail += 1
        if goal < 0:
            for i in range(1, tail):
                seen[mate_left[queue[i]]] = dead
            continue
        gained += 1
        while goal >= 0:
            left = reached_from[goal]
            mate_right[goal] = left
            goal, mate_left[left] = mate_left[left], goal
    return gained


@kernel
def _walk_thresholds(indptr, indices, nodes, offsets, num_right, randomised, seed):  # type: ignore[no-untyped-def]
    """Count the matches of all maps, from the highest threshold to the lowest.

    The maps are nearly nested, so each starts from the maximum matching of the one before: pixels
    that vanish release their partners, and augmenting from any start ends in a maximum.
    """
    num_left = indptr.size - 1
    mate_left = np.full(num_left, -1, dtype=np.int32)
    mate_right = np.full(num_right, -1, dtype=np.int32)
    stamp = np.full(num_left, -1, dtype=np.int32)
    free = np.empty(num_left, dtype=np.int32)
    counts = np.zeros(offsets.size - 1, dtype=np.int64)
    matched = 0
    for m in range(counts.size):
        present = nodes[offsets[m] : offsets[m + 1]]
        for i in range(present.size):
            stamp[present[i]] = m
        if m > 0:
            before = nodes[offsets[m - 1] : offsets[m]]
            for i in range(before.size):
                left = before[i]
                if stamp[left] != m and mate_left[left] >= 0:
                    mate_right[mate_left[left]] = -1
                    mate_left[left] = -1
                    matched -= 1
        num_free = 0
        for i in range(present.size):
            left = present[i]
            if mate_left[left] >= 0 or indptr[left] == indptr[left + 1]:
                continue
            for e in range(indptr[left], indptr[left + 1]):
                right = indices[e]
                if mate_right[right] < 0:
                    mate_left[left] = right
                    mate_right[right] = left
                    matched += 1
                    break
            else:
                free[num_free] = left
                num_free += 1
        matched += _augment(indptr, indices, free, num_free, mate_left, mate_right)
        counts[m] = matched
        if randomised and matched > 0:
            state = random_state(seed, counts.size - 1 - m)
            counts[m] = _count_randomised(indptr, indices, present, num_right, mate_left, state)
    return counts


@kernel
def _scramble(bits):  # type: ignore[no-untyped-def]
    """Mix 64 bits (Steele, Lea and Flood, "Fast Splittable Pseudorandom Number Generators")."""
    bits = (bits ^ (bits >> np.uint64(30))) * _MIX_1
    bits = (bits ^ (bits >> np.uint64(27))) * _MIX_2
    return bits ^ (bits >> np.uint64(31))


@kernel
def random_state(seed, stream):  # type: ignore[no-untyped-def]
    """Start the generator of one stream (a threshold, an annotator) of an image's seed."""
    start = seed + np.uint64(stream + 1) * _GOLDEN_GAMMA
    return np.array([_scramble(start)], dtype=np.uint64)


@kernel
def _draw(state, size, banned, chosen):  # type: ignore[no-untyped-def]
    """Fill ``chosen`` with distinct uniform numbers of [0, size), none of them ``banned``."""
    drawn = 0
    while drawn < chosen.size:
        state[0] += _GOLDEN_GAMMA
        bits = _scramble(state[0]) & _MASK_32
        number = np.int64((bits * np.uint64(size)) >> np.uint64(32))
        fresh = number != banned
        for i in range(drawn):
            fresh &= chosen[i] != number
        if fresh:
            chosen[drawn] = number
            drawn += 1


@kernel
def _transpose(rows_of_column, num_rows, first_column):  # type: ignore[no-untyped-def]
    """Turn ``(columns, k)`` row numbers into CSR rows; column c is ``first_column + c``."""
    indptr = np.zeros(num_rows + 1, dtype=np.int64)
    for c in range(rows_of_column.shape[0]):
        for k in range(rows_of_column.shape[1]):
            indptr[rows_of_column[c, k] + 1] += 1
    for r in range(num_rows):
        indptr[r + 1] += indptr[r]
    fill = indptr[:-1].copy()
    indices = np.empty(rows_of_column.size, dtype=np.int32)
    for c in range(rows_of_column.shape[0]):
        for k in range(rows_of_column.shape[1]):
            row = rows_of_column[c, k]
            indices[fill[row]] = first_column + c
            fill[row] += 1
    return indptr, indices


@kernel
def _pick(state, num_nodes, num_choices, exclude_own):  # type: ignore[no-untyped-def]
    """Let each node pick distinct outliers, not its own number where that is excluded."""
    degree = min(_DEGREE, num_choices - 1 if exclude_own else num_choices)
    picks = np.empty((num_nodes, degree), dtype=np.int32)
    for i in range(num_nodes):
        _draw(state, num_choices, i if exclude_own else -1, picks[i])
    return picks


@kernel
def outlier_graph(indptr, indices, present, num_gt, state):  # type: ignore[no-untyped-def]
    """Build the reference's assignment graph for one map.

    Of the pixels only those with a partner in reach take part: n1 predicted, n2 ground truth. Left
    nodes are the predicted pixels and n2 outliers, right nodes the ground truth pixels and n1
    outliers. True edges cost 0 and outlier edges 1: one pair more saves one outlier edge, which
    outweighs any difference of distances.

    Returns:
        CSR ``indptr``, ``indices`` and ``costs``, the left nodes' numbers in the caller's graph
        (n1,), and the right nodes' ones (n2,).
    """
    left_ids = np.empty(present.size, dtype=np.int32)
    right_ids = np.empty(num_gt, dtype=np.int32)
    rank = np.full(num_gt, -1, dtype=np.int32)
    n1, n2, num_true = 0, 0, 0
    for i in range(present.size):
        left = present[i]
        degree = indptr[left + 1] - indptr[left]
        if degree == 0:
            continue
        left_ids[n1] = left
        n1 += 1
        num_true += degree
        for e in range(indptr[left], indptr[left + 1]):
            if rank[indices[e]] < 0:
                rank[indices[e]] = n2
                right_ids[n2] = indices[e]
                n2 += 1

    of_predicted = _pick(state, n1, n1, True)
    gt_start, gt_of_outlier = _transpose(_pick(state, n2, n2, True), n2, 0)
    if n1 >= n2:
        pair_start, pairs = _transpose(_pick(state, n1, n2, False), n2, n2)
    else:
        picks = _pick(state, n2, n1, False)
        pairs = picks.ravel() + np.int32(n2)
        pair_start = np.arange(n2 + 1) * picks.shape[1]

    num_edges = num_true + of_predicted.size + gt_of_outlier.size + pairs.size + n1 + n2
    out_ptr = np.empty(n1 + n2 + 1, dtype=np.int64)
    out_ptr[0] = 0
    out = np.empty(num_edges, dtype=np.int32)
    costs = np.empty(num_edges, dtype=np.uint8)
    end = 0
    for i in range(n1):
        left = left_ids[i]
        for e in range(indptr[left], indptr[left + 1]):
            out[end] = rank[indices[e]]
            costs[end] = 0
            end += 1
        for k in range(of_predicted.shape[1]):
            out[end] = n2 + of_predicted[i, k]
            costs[end] = 1
            end += 1
        out[end] = n2 + i
        costs[end] = SAFETY_COST
        end += 1
        out_ptr[i + 1] = end
    for j in range(n2):
        for e in range(pair_start[j], pair_start[j + 1]):
            out[end] = pairs[e]
            costs[end] = 1
            end += 1
        for e in range(gt_start[j], gt_start[j + 1]):
            out[end] = gt_of_outlier[e]
            costs[end] = 1
            end += 1
        out[end] = j
        costs[end] = SAFETY_COST
        end += 1
        out_ptr[n1 + j + 1] = end
    return out_ptr, out, costs, left_ids[:n1], right_ids[:n2]


@kernel
def _count_randomised(indptr, indices, present, num_gt, mate_left, state):  # type: ignore[no-untyped-def]
    """Count the true pairs of a cheapest perfect matching of the reference's graph.

    The primal-dual method with integer potentials, started from a maximum matching of the true
    edges: find the reduced-cost distances from the free left nodes, raise the potentials until a
    free right node is reached, augment on the tight edges, repeat until the matching is perfect.
    """
    ptr, cols, costs, left_ids, right_ids = outlier_graph(indptr, indices, present, num_gt, state)
    n1, n2 = left_ids.size, right_ids.size
    size = n1 + n2
    rank = np.full(num_gt, -1, dtype=np.int32)
    for j in range(n2):
        rank[right_ids[j]] = j
    mate_l = np.full(size, -1, dtype=np.int32)
    mate_r = np.full(size, -1, dtype=np.int32)
    for i in range(n1):
        partner = mate_left[left_ids[i]]
        if partner >= 0:
            mate_l[i] = rank[partner]
            mate_r[rank[partner]] = i

    potential_l = np.zeros(size, dtype=np.int32)
    potential_r = np.zeros(size, dtype=np.int32)
    free = np.empty(size, dtype=np.int32)
    tight_ptr = np.zeros(size + 1, dtype=np.int64)
    tight = np.empty(cols.size, dtype=np.int32)
    while True:
        num_free = 0
        for i in range(size):
            if mate_l[i] < 0:
                free[num_free] = i
                num_free += 1
        if num_free == 0:
            break
        _raise_potentials(ptr, cols, costs, free, num_free, mate_r, potential_l, potential_r)
        end = 0
        for i in range(size):
            for e in range(ptr[i], ptr[i + 1]):
                tight[end] = cols[e]
                end += costs[e] == potential_l[i] + potential_r[cols[e]]
            tight_ptr[i + 1] = end
        _augment(tight_ptr, tight, free, num_free, mate_l, mate_r)

    count = 0
    for i in range(n1):
        count += mate_l[i] < n2
    return count


@kernel
def _raise_potentials(ptr, cols, costs, free, num_free, mate_r, potential_l, potential_r):  # type: ignore[no-untyped-def]
    """Make the edges towards the nearest free right node tight (Dial's bucket queue)."""
    size = potential_l.size
    dist_l = np.full(size, _FAR, dtype=np.int64)
    dist_r = np.full(size, _FAR, dtype=np.int64)
    # A node may be queued again at a smaller distance, so the buckets are lists of entries.
    first = np.full(256, -1, dtype=np.int32)
    following = np.empty(cols.size + size, dtype=np.int32)
    entry_node = np.empty(cols.size + size, dtype=np.int32)
    num_entries = 0
    for i in range(num_free):
        dist_l[free[i]] = 0
        entry_node[num_entries] = free[i]
        following[num_entries] = first[0]
        first[0] = num_entries
        num_entries += 1
    nearest = _FAR
    distance = 0
    while distance < nearest and distance < first.size:
        entry = first[distance]
        if entry < 0:
            distance += 1
            continue
        first[distance] = following[entry]
        left = entry_node[entry]
        if dist_l[left] < distance:
            continue
        for e in range(ptr[left], ptr[left + 1]):
            right = cols[e]
            reach = distance + costs[e] - potential_l[left] - potential_r[right]
            if reach >= dist_r[right] or reach >= nearest:
                continue
            dist_r[right] = reach
            mate = mate_r[right]
            if mate < 0:
                nearest = reach
                continue
            dist_l[mate] = reach
            if reach >= first.size:
                grown = np.full(2 * reach, -1, dtype=np.int32)
                grown[: first.size] = first
                first = grown
            entry_node[num_entries] = mate
            following[num_entries] = first[reach]
            first[reach] = num_entries
            num_entries += 1
    for i in range(size):
        if dist_l[i] < nearest:
            potential_l[i] += nearest - dist_l[i]
        if dist_r[i] < nearest:
            potential_r[i] -= nearest - dist_r[i]
