"""Boundary maps one pixel wide: from a partition, and by morphological thinning."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from mtl3d.evaluation.functional.edges.kernel import kernel


class ThinMaps(NamedTuple):
    """The thinned binary maps of one image at increasing thresholds, as lists of pixels.

    Attributes:
        pixels: int32 flat indices ``y * W + x``; the maps follow each other from the **highest**
            threshold to the lowest.
        offsets: ``(T + 1,)`` int64; map ``t`` is ``pixels[offsets[T - 1 - t]:offsets[T - t]]``.
        shape: ``(H, W)``.
    """

    pixels: NDArray[np.int32]
    offsets: NDArray[np.int64]
    shape: tuple[int, int]

    @property
    def sizes(self) -> NDArray[np.int64]:
        """The number of pixels per threshold, ``(T,)``, lowest threshold first."""
        return np.diff(self.offsets)[::-1]


def partition_to_boundary(labels: NDArray, relabel: bool = False) -> NDArray[np.bool_]:
    """Mark where a pixel's label differs from the one to its right, below, or right-below.

    The last row only looks right, the last column only below, and the last corner at nothing, so
    the lines lie half a pixel towards the origin. The ground truth of the published scores is this
    map, thinned by :func:`thin`: of the label map for PASCAL-Context, and of the 0 / 255 edge image
    itself for NYUD.

    Args:
        labels: ``(H, W)`` integer or bool labels.
        relabel: Treat each 4-connected component as a label of its own, as the ground truth of
            PASCAL-Context does. This cannot change the result: two equal labels that meet
            diagonally are either joined through a pixel beside them, and then one component, or
            both pixels beside them differ, and then the pixel is marked already. The argument
            names the protocol and costs nothing.

    Returns:
        ``(H, W)`` bool.

    Raises:
        ValueError: If ``labels`` is not a non-empty map of integers or bools.
    """
    labels = np.asarray(labels)
    if labels.ndim != 2 or labels.size == 0:
        raise ValueError(f'labels must be a map of shape (H, W), got shape {labels.shape}')
    if labels.dtype.kind not in 'iub':
        raise ValueError(f'labels must be integers or bools, got dtype {labels.dtype}')
    boundary = np.zeros(labels.shape, dtype=np.bool_)
    boundary[:, :-1] |= labels[:, :-1] != labels[:, 1:]
    boundary[:-1] |= labels[:-1] != labels[1:]
    boundary[:-1, :-1] |= labels[:-1, :-1] != labels[1:, 1:]
    return boundary


def thin(mask: NDArray) -> NDArray[np.bool_]:
    """Thin a binary map to lines, with the two-subiteration rule of Guo and Hall.

    The conditions are those of Lam, Lee and Suen, "Thinning Methodologies", TPAMI 1992, page 879,
    applied until an iteration changes nothing; the result equals MATLAB's
    ``bwmorph(mask, 'thin', Inf)`` and ``skimage.morphology.thin``.

    Args:
        mask: ``(H, W)`` bool, or numbers of which all but 0 count as set.

    Returns:
        ``(H, W)`` bool.

    Raises:
        ValueError: If ``mask`` is not a map.
    """
    mask = np.asarray(mask)
    if mask.ndim != 2:
        raise ValueError(f'mask must be a map of shape (H, W), got shape {mask.shape}')
    pixels = np.flatnonzero(mask).astype(np.int32)
    kept, _ = _thin_prefixes(pixels, np.array([pixels.size]), *mask.shape, _DELETABLE)
    result = np.zeros(mask.size, dtype=np.bool_)
    result[kept] = True
    return result.reshape(mask.shape)


def thin_levels(levels: NDArray[np.uint16], num_thresholds: int) -> ThinMaps:
    """Binarise at each threshold, and thin.

    Args:
        levels: ``(H, W)`` number of thresholds that a pixel passes, from the lowest on.
        num_thresholds: T.

    Returns:
        The T thinned maps.
    """
    flat = levels.ravel()
    order = np.flatnonzero(flat)
    order = order[np.argsort(num_thresholds - flat[order], kind='stable')].astype(np.int32)
    passed = np.bincount(flat[order], minlength=num_thresholds + 1)
    counts = np.cumsum(passed[:0:-1])  # pixels of the map, highest threshold first
    pixels, offsets = _thin_prefixes(order, counts, *levels.shape, _DELETABLE)
    return ThinMaps(pixels, offsets, levels.shape)


def _deletion_table() -> NDArray[np.bool_]:
    """Tabulate, per subiteration and neighbourhood, whether the centre goes: ``(2, 256)``.

    Bit i of a neighbourhood is the neighbour x(i + 1), counter-clockwise from the east.
    """
    codes = np.arange(256)
    x = [(codes >> i & 1).astype(np.bool_) for i in range(8)]
    x.append(x[0])
    crossings = sum((~x[i] & (x[i + 1] | x[i + 2])).astype(int) for i in range(0, 7, 2))
    n1 = sum((x[i] | x[i + 1]).astype(int) for i in range(0, 7, 2))
    n2 = sum((x[i + 1] | x[i + 2]).astype(int) for i in range(0, 7, 2))
    neighbours = np.minimum(n1, n2)
    candidate = (crossings == 1) & (neighbours >= 2) & (neighbours <= 3)
    first = candidate & ~((x[1] | x[2] | ~x[7]) & x[0])
    second = candidate & ~((x[5] | x[6] | ~x[3]) & x[4])
    return np.stack([first, second])


_DELETABLE = _deletion_table()


@kernel
def _thin_prefixes(order, counts, height, width, deletable):  # type: ignore[no-untyped-def]
    """Thin the maps that consist of the first ``counts[i]`` pixels of ``order``.

    A pixel can become deletable only if a pixel beside it went since its own last turn, two sweeps
    ago. So the first two sweeps look at all pixels, and each later one beside the deletions of the
    two sweeps before it.
    """
    stride = width + 2
    grid = np.zeros((height + 2) * stride, dtype=np.uint8)
    steps = np.array([1, 1 - stride, -stride, -1 - stride, -1, stride - 1, stride, stride + 1])
    total = order.size
    cells = np.empty(total, dtype=np.int64)
    for i in range(total):
        cells[i] = (order[i] // width + 1) * stride + order[i] % width + 1
    doomed = np.empty(2 * total, dtype=np.int64)
    older = np.empty(total, dtype=np.int64)
    newer = np.empty(total, dtype=np.int64)
    beside = np.empty(total, dtype=np.int64)
    stamp = np.zeros(grid.size, dtype=np.int64)
    sweep = 0

    kept = np.empty(2 * total, dtype=np.int32)
    offsets = np.zeros(counts.size + 1, dtype=np.int64)
    for m in range(counts.size):
        count = counts[m]
        for i in range(count):
            grid[cells[i]] = 1
            newer[i] = cells[i]
        num_older, num_newer = 0, count
        half = 0
        while num_older + num_newer > 0:
            sweep += 1
            num_doomed = 0
            for i in range(num_older + num_newer):
                cell = older[i] if i < num_older else newer[i - num_older]
                if grid[cell] == 0:
                    continue
                code = 0
                for k in range(8):
                    code |= grid[cell + steps[k]] << k
                if deletable[half, code]:
                    doomed[num_doomed] = cell
                    num_doomed += 1
            for i in range(num_doomed):
                grid[doomed[i]] = 0
            num_beside = 0
            for i in range(num_doomed):
                for k in range(8):
                    cell = doomed[i] + steps[k]
                    if grid[cell] == 1 and stamp[cell] != sweep:
                        stamp[cell] = sweep
                        beside[num_beside] = cell
                        num_beside += 1
            older, newer, beside = newer, beside, older
            num_older, num_newer = num_newer, num_beside
            half = 1 - half

        end = offsets[m]
        if end + count > kept.size:
            grown = np.empty(2 * (end + count), dtype=np.int32)
            grown[:end] = kept[:end]
            kept = grown
        for i in range(count):
            if grid[cells[i]] == 1:
                kept[end] = order[i]
                end += 1
            grid[cells[i]] = 0
        offsets[m + 1] = end
    return kept[: offsets[-1]].copy(), offsets
