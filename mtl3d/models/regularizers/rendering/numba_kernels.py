"""The walks as compiled CPU loops that keep points in registers.

Parallel over images, fields and, where these are few, rows; each thread sums into its own memory,
so results do not depend on timing.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import pairwise, product

import torch
from torch import Tensor

from mtl3d.models.regularizers.rendering import fieldwise
from mtl3d.models.regularizers.rendering.compiled import compiled
from mtl3d.models.regularizers.rendering.fieldwise import Sums, Walk, split_texels
from mtl3d.models.regularizers.rendering.numba_point_kernels import point_walk
from mtl3d.models.regularizers.rendering.scene import NEGATIVE_SLOPE
from mtl3d.models.regularizers.rendering.separable import look_up

#: Columns that are done together, so that their part of the x-z plane stays in the cache.
_TILE = 8


def grid_walk(size: tuple[int, int, int]) -> Walk:
    """Walk along the rays of a grid; see ``fieldwise.Kernels``."""
    return Walk(partial(_over_units, size), partial(_over_samples, size), partial(_back, size))


render = partial(fieldwise.render, kernels=fieldwise.Kernels(look_up, grid_walk, point_walk))


def _over_units(size: tuple[int, int, int], texels: Tensor, bias: Tensor, u: Tensor) -> Tensor:
    xy, xz, yz = _maps(texels, bias, size)
    out = xy.new_empty(*xy.shape[:4], size[2])
    _in_parallel(_over_units_loop, xy, xz, yz, u.expand(xy.shape), out)
    return out


def _over_samples(size: tuple[int, int, int], texels: Tensor, bias: Tensor, s: Tensor) -> Tensor:
    xy, xz, yz = _maps(texels, bias, size)
    out = torch.zeros_like(xy)
    _in_parallel(_over_samples_loop, xy, xz, yz, s.expand(len(xy), -1, -1, -1, -1), out)
    return out


def _back(size: tuple[int, int, int], texels: Tensor, bias: Tensor, s: Tensor, u: Tensor) -> Sums:
    xy, xz, yz = _maps(texels, bias, size)
    s, u = s.expand(len(xy), -1, -1, -1, -1), u.expand(xy.shape)
    over_units = xy.new_empty(s.shape)
    over_samples = torch.zeros_like(xy)
    d_texels = torch.zeros_like(texels)
    d_xy, d_xz, d_yz = split_texels(d_texels, size)
    d_xz_parts = xz.new_zeros(*xz.shape[:2], len(_parts(xy)), *xz.shape[2:])
    _in_parallel(_back_loop, xy, xz, yz, s, u, over_units, over_samples, d_xy, d_xz_parts, d_yz)
    torch.sum(d_xz_parts, 2, out=d_xz)
    return Sums(over_units, over_samples, d_texels, d_xy.sum((1, 2, 3)))


def _maps(texels: Tensor, bias: Tensor, size: tuple[int, int, int]) -> tuple[Tensor, ...]:
    """Cut texels into the three maps, of which the first takes the bias."""
    xy, xz, yz = split_texels(texels, size)
    return xy + bias[:, None, None, None], xz, yz


def _parts(xy: Tensor) -> list[slice]:
    """Cut the rows into parts, if there are fewer images and fields than threads."""
    height = xy.shape[2]
    count = min(height, -(-torch.get_num_threads() // xy[:, :, 0, 0, 0].numel()))
    edges = [height * part // count for part in range(count + 1)]
    return [slice(*edge) for edge in pairwise(edges)]


def _in_parallel(loop: Callable[..., None], xy: Tensor, *tensors: Tensor) -> None:
    """Run a loop over each field, image and part of the rows.

    Args:
        loop: Takes the number of the part, its first and last row, and the arrays of one field and
            image.
        xy: ``(f, N, h, w, H)``.
        *tensors: ``(f, N, ...)``; those that a loop writes are contiguous per field and image.
    """

    def run(job: tuple[int, int, tuple[int, slice]]) -> None:
        field, image, (part, rows) = job
        arrays = [tensor[field, image].detach().contiguous().numpy() for tensor in (xy, *tensors)]
        loop(part, rows.start, rows.stop, *arrays)

    jobs = product(range(xy.shape[0]), range(xy.shape[1]), enumerate(_parts(xy)))
    with ThreadPoolExecutor(torch.get_num_threads()) as pool:
        list(pool.map(run, jobs))


# In the loops, rows are taken out of the arrays first: the innermost loop then runs over contiguous
# memory from 0 to a length, which is the form that compilers turn into vector instructions.


@compiled
def _over_units_loop(part, start, stop, xy, xz, yz, u, out):  # type: ignore[no-untyped-def]
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
def _over_samples_loop(part, start, stop, xy, xz, yz, s, out):  # type: ignore[no-untyped-def]
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
def _back_loop(  # type: ignore[no-untyped-def]
    part, start, stop, xy, xz, yz, s, u, over_units, over_samples, d_xy, d_xz, d_yz
):
    width, samples, units = xz.shape
    slope = xy.dtype.type(NEGATIVE_SLOPE)
    for left in range(0, width, _TILE):
        for j in range(start, stop):
            for i in range(left, min(left + _TILE, width)):
                xy_row, u_row, out_row, d_xy_row = xy[j, i], u[j, i], over_samples[j, i], d_xy[j, i]
                for k in range(samples):
                    xz_row, yz_row = xz[i, k], yz[j, k]
                    d_xz_row, d_yz_row = d_xz[part, i, k], d_yz[j, k]
                    weight = s[j, i, k]
                    leaked_weight = slope * weight
                    total = slope * 0
                    for h in range(units):
                        pre = xy_row[h] + xz_row[h] + yz_row[h]
                        leaked = slope * pre
                        phi = pre if pre > leaked else leaked
                        total += phi * u_row[h]
                        out_row[h] += phi * weight
                        grad = u_row[h] * (weight if pre > 0 else leaked_weight)
                        d_xy_row[h] += grad
                        d_xz_row[h] += grad
                        d_yz_row[h] += grad
                    over_units[j, i, k] = total
