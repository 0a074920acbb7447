"""The composite of the separable renderer as compiled CPU loops that keep points in registers.

Let ``phi[j, i, k, :]`` be the hidden units of one field at the samples of all rays,
``leaky_relu(xy[j, i] + xz[i, k] + yz[j, k])``. Rendering and its gradient need phi only in sums:

* over hidden units, ``sum_h phi[j, i, k, h] u[j, i, h]``: the density's read-out (u is its weight
  vector) and the gradient of a ray's weights (u is the gradient of its composited units);
* over samples, ``sum_k phi[j, i, k, h] s[j, i, k]``: the composited units (s are the ray's weights)
  and the gradient of the density's weight vector (s is the gradient of its raw values).

In both cases the gradient of the pre-activation is ``s u phi'``. So there are three loops, and phi
is never stored. What lies between the two sums, the weights of a ray, is torch with its autograd.

Parallel over images, fields and, where these are few, rows; each thread sums into its own memory,
so results do not depend on timing.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import pairwise, product
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from mtl3d.models.regularizers.rendering import separable
from mtl3d.models.regularizers.rendering.compiled import compiled
from mtl3d.models.regularizers.rendering.numba_point_kernels import composite_points
from mtl3d.models.regularizers.rendering.scene import (
    NEGATIVE_SLOPE,
    density,
    ray_weights,
)

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
    planes = zip(*(plane.split(num, dim=1) for plane in (xy, xz, yz)), strict=True)
    of_density, of_values = planes
    raw = _ReadDensity.apply(*of_density, density_weight)
    sigma = density(raw + density_bias[:, None, None, None])
    weights = ray_weights(sigma * delta[:, None, None, None])
    shared = weights.expand(-1, num[1], -1, -1, -1)
    return _CompositeUnits.apply(*of_values, shared), weights


#: The separable renderer with compiled composites.
render = partial(separable.render, grid=composite_grid, points=composite_points)


class _ReadDensity(torch.autograd.Function):
    """``(n, G, h, w, D)``: hidden units times a weight vector ``(G, H)``."""

    @staticmethod
    def forward(ctx: Any, xy: Tensor, xz: Tensor, yz: Tensor, weight: Tensor) -> Tensor:
        ctx.save_for_backward(xy, xz, yz, weight)
        return _sum_over_units(xy, xz, yz, _on_rays(weight, xy))

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, ...]:
        xy, xz, yz, weight = ctx.saved_tensors
        gradients = _gradients(xy, xz, yz, grad, _on_rays(weight, xy))
        return *gradients, _sum_over_samples(xy, xz, yz, grad).sum((0, 2, 3))


class _CompositeUnits(torch.autograd.Function):
    """``(n, T, h, w, H)``: hidden units weighted by ``(n, T, h, w, D)``."""

    @staticmethod
    def forward(ctx: Any, xy: Tensor, xz: Tensor, yz: Tensor, weights: Tensor) -> Tensor:
        ctx.save_for_backward(xy, xz, yz, weights)
        return _sum_over_samples(xy, xz, yz, weights)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, ...]:
        xy, xz, yz, weights = ctx.saved_tensors
        gradients = _gradients(xy, xz, yz, weights, grad)
        return *gradients, _sum_over_units(xy, xz, yz, grad)


def _on_rays(weight: Tensor, xy: Tensor) -> Tensor:
    """Give each ray of ``xy`` the weight vector of its field."""
    return weight[:, None, None, :].expand(xy.shape)


def _sum_over_units(xy: Tensor, xz: Tensor, yz: Tensor, u: Tensor) -> Tensor:
    """``sum_h phi u``: ``(n, f, h, w, D)`` from ``u`` of ``(n, f, h, w, H)``."""
    out = xy.new_empty(*xy.shape[:4], xz.shape[3])
    _in_parallel(_sum_over_units_loop, xy, xz, yz, u, out)
    return out


def _sum_over_samples(xy: Tensor, xz: Tensor, yz: Tensor, s: Tensor) -> Tensor:
    """``sum_k phi s``: ``(n, f, h, w, H)`` from ``s`` of ``(n, f, h, w, D)``."""
    out = xy.new_zeros(xy.shape)
    _in_parallel(_sum_over_samples_loop, xy, xz, yz, s, out)
    return out


def _gradients(
    xy: Tensor, xz: Tensor, yz: Tensor, s: Tensor, u: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Sum the pre-activations' gradients ``s u phi'`` onto the three planes."""
    parts = _parts(xy)
    d_xy, d_yz = xy.new_zeros(xy.shape), yz.new_zeros(yz.shape)
    d_xz = xz.new_zeros(*xz.shape[:2], len(parts), *xz.shape[2:])
    _in_parallel(_gradients_loop, xy, xz, yz, s, u, d_xy, d_xz, d_yz)
    return d_xy, d_xz.sum(2), d_yz


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
