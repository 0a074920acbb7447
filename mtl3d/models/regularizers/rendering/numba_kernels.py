"""The composite of the separable renderer as compiled CPU loops that keep points in registers.

The three loops of ``two_sums``, over a scene of the planes ``(n, f, h, w, H)``, ``(n, f, w, D, H)``
and ``(n, f, h, D, H)``: ``phi[j, i, k, :]`` is ``leaky_relu(xy[j, i] + xz[i, k] + yz[j, k])``.

Parallel over images, fields and, where these are few, rows; each thread sums into its own memory,
so results do not depend on timing.
"""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import pairwise, product

import torch
from torch import Tensor

from mtl3d.models.regularizers.rendering import separable
from mtl3d.models.regularizers.rendering.compiled import compiled
from mtl3d.models.regularizers.rendering.numba_point_kernels import composite_points
from mtl3d.models.regularizers.rendering.scene import NEGATIVE_SLOPE
from mtl3d.models.regularizers.rendering.two_sums import Sums, composite

#: Columns that are done together, so that their part of the x-z plane stays in the cache.
_TILE = 8


def composite_grid(
    xy: Tensor, xz: Tensor, yz: Tensor, density_weight: Tensor, density_bias: Tensor, delta: Tensor
) -> tuple[Tensor, Tensor]:
    """Composite hidden units along the rays of a grid; see ``separable.composite_grid``.

    Args:
        xy: ``(N, G + T, h, w, H)`` on the CPU.
        xz: ``(N, G + T, w, D, H)``.
        yz: ``(N, G + T, h, D, H)``.
        density_weight: ``(G, H)``.
        density_bias: ``(G,)``.
        delta: ``(N, D)``.

    Returns:
        ``(N, T, h, w, H)`` and ``(N, G, h, w, D)``.
    """
    num = len(density_weight), xy.shape[1] - len(density_weight)
    of_density, of_values = zip(*(p.split(num, dim=1) for p in (xy, xz, yz)), strict=True)
    lengths = delta[:, None, None].expand(-1, *xy.shape[2:4], -1)
    return composite(_SUMS, of_density, of_values, num[1], density_weight, density_bias, lengths)


#: The separable renderer with compiled composites.
render = partial(separable.render, grid=composite_grid, points=composite_points)


def _sum_over_units(planes: Sequence[Tensor], u: Tensor) -> Tensor:
    xy, xz, yz = planes
    out = xy.new_empty(*xy.shape[:4], xz.shape[3])
    _in_parallel(_sum_over_units_loop, xy, xz, yz, u, out)
    return out


def _sum_over_samples(planes: Sequence[Tensor], s: Tensor) -> Tensor:
    xy, xz, yz = planes
    out = xy.new_zeros(xy.shape)
    _in_parallel(_sum_over_samples_loop, xy, xz, yz, s, out)
    return out


def _gradients(planes: Sequence[Tensor], s: Tensor, u: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    xy, xz, yz = planes
    parts = _parts(xy)
    d_xy, d_yz = xy.new_zeros(xy.shape), yz.new_zeros(yz.shape)
    d_xz = xz.new_zeros(*xz.shape[:2], len(parts), *xz.shape[2:])
    _in_parallel(_gradients_loop, xy, xz, yz, s, u, d_xy, d_xz, d_yz)
    return d_xy, d_xz.sum(2), d_yz


_SUMS = Sums(_sum_over_units, _sum_over_samples, _gradients)


def _parts(xy: Tensor) -> list[slice]:
    """Cut the rows into parts, if there are fewer images and fields than threads."""
    height = xy.shape[2]
    count = min(height, -(-torch.get_num_threads() // xy[:, :, 0, 0, 0].numel()))
    edges = [height * part // count for part in range(count + 1)]
    return [slice(*edge) for edge in pairwise(edges)]


def _in_parallel(loop: Callable[..., None], xy: Tensor, *tensors: Tensor) -> None:
    """Run a loop over each image, field and part of the rows.

    Args:
        loop: Takes the number of the part, its first and last row, and the arrays of one image and
            field.
        xy: ``(n, f, h, w, H)``.
        *tensors: ``(n, f, ...)``.
    """
    arrays = [tensor.detach().contiguous().numpy() for tensor in (xy, *tensors)]

    def run(job: tuple[int, int, tuple[int, slice]]) -> None:
        image, field, (part, rows) = job
        loop(part, rows.start, rows.stop, *(array[image, field] for array in arrays))

    jobs = product(range(xy.shape[0]), range(xy.shape[1]), enumerate(_parts(xy)))
    with ThreadPoolExecutor(torch.get_num_threads()) as pool:
        list(pool.map(run, jobs))


# In the loops, rows are taken out of the arrays first: the innermost loop then runs over contiguous
# memory from 0 to a length, which is the form that compilers turn into vector instructions.


@compiled
def _sum_over_units_loop(part, start, stop, xy, xz, yz, u, out):  # type: ignore[no-untyped-def]
    width, samples, units = xz.shape
    slope = xy.dtype.type(NEGATIVE_SLOPE)
    for left in range(0, width, _TILE):
        for j in range(start, stop):
            for i in range(left, min(left + _TILE, width)):
                xy_row, u_row = xy[j, i], u[j, i]
                for k in range(samples):
                    xz_row, yz_row = xz[i, k], yz[j, k]
                    total = slope * 0
                    for h in range(units):
                        pre = xy_row[h] + xz_row[h] + yz_row[h]
                        leaked = slope * pre
                        total += (pre if pre > leaked else leaked) * u_row[h]
                    out[j, i, k] = total


@compiled
def _sum_over_samples_loop(part, start, stop, xy, xz, yz, s, out):  # type: ignore[no-untyped-def]
    width, samples, units = xz.shape
    slope = xy.dtype.type(NEGATIVE_SLOPE)
    for left in range(0, width, _TILE):
        for j in range(start, stop):
            for i in range(left, min(left + _TILE, width)):
                xy_row, out_row = xy[j, i], out[j, i]
                for k in range(samples):
                    xz_row, yz_row, weight = xz[i, k], yz[j, k], s[j, i, k]
                    for h in range(units):
                        pre = xy_row[h] + xz_row[h] + yz_row[h]
                        leaked = slope * pre
                        out_row[h] += (pre if pre > leaked else leaked) * weight


@compiled
def _gradients_loop(part, start, stop, xy, xz, yz, s, u, d_xy, d_xz, d_yz):  # type: ignore[no-untyped-def]
    width, samples, units = xz.shape
    slope = xy.dtype.type(NEGATIVE_SLOPE)
    for left in range(0, width, _TILE):
        for j in range(start, stop):
            for i in range(left, min(left + _TILE, width)):
                xy_row, u_row, d_xy_row = xy[j, i], u[j, i], d_xy[j, i]
                for k in range(samples):
                    xz_row, yz_row = xz[i, k], yz[j, k]
                    d_xz_row, d_yz_row = d_xz[part, i, k], d_yz[j, k]
                    weight = s[j, i, k]
                    leaked = slope * weight
                    for h in range(units):
                        pre = xy_row[h] + xz_row[h] + yz_row[h]
                        grad = u_row[h] * (weight if pre > 0 else leaked)
                        d_xy_row[h] += grad
                        d_xz_row[h] += grad
                        d_yz_row[h] += grad
