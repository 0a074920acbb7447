"""Non-maximum suppression of boundary probabilities, as the published boundary scores use it.

The orientation of an edge comes from second derivatives of the smoothed map; a pixel survives where
it is not smaller than the unsmoothed map one pixel to either side (Dollar and Zitnick, "Fast Edge
Detection Using Structured Forests", TPAMI 2015, and the toolbox that accompanies it). Where the map
is nearly straight the orientation is decided by rounding, so all sums are float32 and run in the
order of the original: every pixel then agrees with it.
"""

import math

import numpy as np
from numpy.typing import NDArray

from mtl3d.evaluation.functional.edges.kernel import kernel

_BORDER = 5
_TOLERANCE = np.float32(1.01)
_REACH = 5  # the triangle filter of radius 4: weights 1 2 3 4 5 4 3 2 1


def nms(prob: NDArray) -> NDArray[np.float32]:
    """Keep the ridges of a boundary map.

    Args:
        prob: ``(H, W)`` probabilities in [0, 1], or uint8 that stands for ``prob / 255``.

    Returns:
        ``(H, W)`` float32: the probability where it is a ridge, else 0. Values within 5 pixels of
        the border fade out, and the outermost pixels are 0.

    Raises:
        ValueError: If ``prob`` is not a map, is empty, or has values outside [0, 1].
    """
    edges = as_probability(prob)
    smooth = _triangle_filter(edges)
    return _suppress(edges, smooth)


def as_probability(prob: NDArray) -> NDArray[np.float32]:
    """Convert uint8 or floating point maps to float32 probabilities, and check them."""
    prob = np.asarray(prob)
    if prob.ndim != 2 or prob.size == 0:
        raise ValueError(f'prob must be a map of shape (H, W), got shape {prob.shape}')
    if prob.dtype == np.uint8:
        return np.array(prob, dtype=np.float32, order='C') / np.float32(255)
    if not np.issubdtype(prob.dtype, np.floating):
        raise ValueError(f'prob must be uint8 or floating point, got dtype {prob.dtype}')
    # Written so that NaN fails too.
    if not (prob.min() >= 0 and prob.max() <= 1):
        raise ValueError(f'prob must lie in [0, 1], got [{prob.min()}, {prob.max()}]')
    # A copy: numba would compile everything again for an array that is read-only or transposed.
    return np.array(prob, dtype=np.float32, order='C')


@kernel
def _mirror(index, size):  # type: ignore[no-untyped-def]
    """Reflect an index into [0, size), repeating the border pixel."""
    while index < 0 or index >= size:
        index = -1 - index if index < 0 else 2 * size - 1 - index
    return index


@kernel
def _triangle_filter(image):  # type: ignore[no-untyped-def]
    """Smooth with a separable triangle of radius 4, as a running sum of a running sum."""
    height, width = image.shape
    scale = np.float32(1.0 / _REACH**4)
    two = np.float32(2)
    rows = np.empty_like(image)
    for y in range(height):
        inner = image[y, 0]
        outer = inner
        for i in range(1, _REACH):
            inner += image[y, _mirror(i, width)]
            outer += inner
        outer = scale * (two * outer - inner)
        inner = np.float32(0)
        rows[y, 0] = outer
        for x in range(1, width):
            ahead = image[y, _mirror(x - 1 + _REACH, width)]
            behind = image[y, _mirror(x - 1 - _REACH, width)]
            inner += (behind + ahead) - two * image[y, x - 1]
            outer += scale * inner
            rows[y, x] = outer

    result = np.empty_like(image)
    inner_row = rows[0].copy()
    outer_row = rows[0].copy()
    for i in range(1, _REACH):
        row = rows[_mirror(i, height)]
        for x in range(width):
            inner_row[x] += row[x]
            outer_row[x] += inner_row[x]
    for x in range(width):
        outer_row[x] = two * outer_row[x] - inner_row[x]
        inner_row[x] = 0
        result[0, x] = outer_row[x]
    for y in range(1, height):
        ahead_row = rows[_mirror(y - 1 + _REACH, height)]
        behind_row = rows[_mirror(y - 1 - _REACH, height)]
        centre = rows[y - 1]
        for x in range(width):
            inner_row[x] += (behind_row[x] + ahead_row[x]) - two * centre[x]
            outer_row[x] += inner_row[x]
            result[y, x] = outer_row[x]
    return result


@kernel
def _d_dx(image):  # type: ignore[no-untyped-def]
    """Differentiate along x: central differences, one-sided at the borders."""
    height, width = image.shape
    half = np.float32(0.5)
    result = np.zeros_like(image)
    if width < 2:
        return result
    for y in range(height):
        result[y, 0] = image[y, 1] - image[y, 0]
        for x in range(1, width - 1):
            result[y, x] = (image[y, x + 1] - image[y, x - 1]) * half
        result[y, width - 1] = image[y, width - 1] - image[y, width - 2]
    return result


@kernel
def _d_dy(image):  # type: ignore[no-untyped-def]
    """Differentiate along y: central differences, one-sided at the borders."""
    height, width = image.shape
    half = np.float32(0.5)
    result = np.zeros_like(image)
    if height < 2:
        return result
    for y in range(height):
        above, below = max(y - 1, 0), min(y + 1, height - 1)
        factor = half if below - above == 2 else np.float32(1)
        for x in range(width):
            result[y, x] = (image[below, x] - image[above, x]) * factor
    return result


@kernel
def _suppress(edges, smooth):  # type: ignore[no-untyped-def]
    """Zero the pixels that are smaller than a neighbour across the edge, and fade the border."""
    height, width = edges.shape
    gradient_x, gradient_y = _d_dx(smooth), _d_dy(smooth)
    xx, xy, yy = _d_dx(gradient_x), _d_dx(gradient_y), _d_dy(gradient_y)
    zero, one = np.float32(0), np.float32(1)
    pi = np.float32(math.pi)
    last_x = np.float32(width - 1.001)
    last_y = np.float32(height - 1.001)
    border = min(_BORDER, width // 2, height // 2)
    result = np.zeros_like(edges)
    for y in range(height):
        for x in range(width):
            edge = edges[y, x]
            if edge == zero:
                continue
            sign = zero
            if xy[y, x] < zero:
                sign = one
            elif xy[y, x] > zero:
                sign = -one
            slope = yy[y, x] * sign / (xx[y, x] + np.float32(1e-5))
            if math.isnan(slope):  # 0 / 0: no curvature in any direction
                slope = zero
            angle = math.atan(slope)
            if angle < zero:
                angle += pi
            step_x, step_y = math.cos(angle), math.sin(angle)
            bound = edge * _TOLERANCE
            keep = True
            for side in range(2):
                at_x = np.float32(x) + (step_x if side == 0 else -step_x)
                at_y = np.float32(y) + (step_y if side == 0 else -step_y)
                at_x = min(max(at_x, zero), max(last_x, zero))
                at_y = min(max(at_y, zero), max(last_y, zero))
                x0, y0 = int(at_x), int(at_y)
                x1, y1 = min(x0 + 1, width - 1), min(y0 + 1, height - 1)
                wx, wy = at_x - np.float32(x0), at_y - np.float32(y0)
                sample = edges[y0, x0] * (one - wx) * (one - wy)
                sample += edges[y0, x1] * wx * (one - wy)
                sample += edges[y1, x0] * (one - wx) * wy
                sample += edges[y1, x1] * wx * wy
                if bound < sample:
                    keep = False
                    break
            if not keep:
                continue
            for from_side in (min(x, width - 1 - x), min(y, height - 1 - y)):
                if from_side < border:
                    edge *= np.float32(from_side) / np.float32(border)
            result[y, x] = edge
    return result
