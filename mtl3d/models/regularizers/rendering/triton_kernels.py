"""The composite of the separable renderer as one forward and one backward GPU kernel.

A program renders a tile of rays: its density fields, the weights of the rays, its value fields, in
one pass. The only memory of the size of all points holds scalars (raw densities, weights and their
gradients), never hidden units; the backward kernel computes these again.

No atomic additions: where the gradients of several tiles meet, on the x-z and y-z planes, each
column or row of tiles writes its own copy, and the copies are summed in a fixed order. Two runs
give the same bits.

Indices: n image, f field, t value field, g density field, (j, i) ray, k sample, h hidden unit.
"""

from functools import partial
from typing import Any

import torch
import triton
import triton.language as tl
from torch import Tensor
from torch.autograd.function import once_differentiable

from mtl3d.models.regularizers.rendering import separable
from mtl3d.models.regularizers.rendering.scene import NEGATIVE_SLOPE
from mtl3d.models.regularizers.rendering.triton_activations import leaky_relu, leaky_relu_grad
from mtl3d.models.regularizers.rendering.triton_point_kernels import composite_points

#: Rows and columns of rays in a tile.
TILE_ROWS, TILE_COLUMNS = 8, 8
_NUM_WARPS = 8


def composite_grid(
    xy: Tensor, xz: Tensor, yz: Tensor, density_weight: Tensor, density_bias: Tensor, delta: Tensor
) -> tuple[Tensor, Tensor]:
    """Composite hidden units along the rays of a grid; see ``separable.composite_grid``.

    Args:
        xy: ``(N, G + T, h, w, H)`` on a CUDA device (anywhere in Triton's interpreter mode).
        xz: ``(N, G + T, w, D, H)``.
        yz: ``(N, G + T, h, D, H)``.
        density_weight: ``(G, H)``.
        density_bias: ``(G,)``.
        delta: ``(N, D)``.

    Returns:
        ``(N, T, h, w, H)`` and ``(N, G, h, w, D)``.
    """
    tensors = (xy, xz, yz, density_weight, density_bias, delta)
    return _Composite.apply(*(tensor.contiguous() for tensor in tensors))


#: The separable renderer with these composites.
render = partial(separable.render, grid=composite_grid, points=composite_points)


class _Composite(torch.autograd.Function):
    """The autograd function behind :func:`composite_grid`."""

    @staticmethod
    def forward(
        ctx: Any, xy: Tensor, xz: Tensor, yz: Tensor, weight: Tensor, bias: Tensor, delta: Tensor
    ) -> tuple[Tensor, Tensor]:
        batch, num_fields, height, width, units = xy.shape
        num_densities, samples = len(weight), delta.shape[1]
        hidden = xy.new_empty(batch, num_fields - num_densities, height, width, units)
        raw = xy.new_empty(batch, num_densities, height, width, samples)
        weights = torch.empty_like(raw)
        with torch.cuda.device_of(xy):
            _forward_kernel[_grid(xy)](
                xy, xz, yz, weight, bias, delta, raw, weights, hidden,
                height, width, samples, num_fields, **_constants(weight, samples),
            )  # fmt: skip
        ctx.save_for_backward(xy, xz, yz, weight, delta, raw, weights)
        return hidden, weights

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_hidden: Tensor, grad_weights: Tensor) -> tuple[Tensor | None, ...]:
        xy, xz, yz, weight, delta, raw, weights = ctx.saved_tensors
        batch, num_fields, height, width, _ = xy.shape
        tiles = triton.cdiv(height, TILE_ROWS), triton.cdiv(width, TILE_COLUMNS)
        d_xy = torch.empty_like(xy)
        d_xz = xz.new_empty(tiles[0], *xz.shape)
        d_yz = yz.new_empty(tiles[1], *yz.shape)
        d_weight = weight.new_empty(tiles[0] * tiles[1], batch, *weight.shape)
        d_bias = weight.new_empty(tiles[0] * tiles[1], batch, len(weight))
        # Starts as the gradient of the weights, becomes that of the raw densities.
        scratch = grad_weights.clone(memory_format=torch.contiguous_format)
        with torch.cuda.device_of(xy):
            _backward_kernel[_grid(xy)](
                xy, xz, yz, weight, delta, raw, weights, grad_hidden.contiguous(), scratch,
                d_xy, d_xz, d_yz, d_weight, d_bias,
                height, width, delta.shape[1], num_fields, **_constants(weight, delta.shape[1]),
            )  # fmt: skip
        return d_xy, d_xz.sum(0), d_yz.sum(0), d_weight.sum((0, 1)), d_bias.sum((0, 1)), None


def _grid(xy: Tensor) -> tuple[int, int]:
    """One program per tile and image."""
    batch, _, height, width, _ = xy.shape
    return triton.cdiv(height, TILE_ROWS) * triton.cdiv(width, TILE_COLUMNS), batch


def _constants(weight: Tensor, samples: int) -> dict[str, Any]:
    """What the kernels are compiled for; Triton's blocks have powers of two as sides."""
    num_densities, units = weight.shape
    return dict(
        G=num_densities,
        H=units,
        H_BLOCK=triton.next_power_of_2(units),
        K_BLOCK=triton.next_power_of_2(samples),
        ROWS=TILE_ROWS,
        COLUMNS=TILE_COLUMNS,
        SLOPE=NEGATIVE_SLOPE,
        num_warps=_NUM_WARPS,
    )


@triton.jit
def _softplus(x):  # type: ignore[no-untyped-def]
    return tl.where(x > 20, x, tl.log(1 + tl.exp(tl.minimum(x, 20))))  # as in torch


@triton.jit
def _optical_depths(raw, delta, ray, k, mask):  # type: ignore[no-untyped-def]
    """Density times length at samples k of the rays whose raw densities start at ``ray``."""
    sigma = _softplus(tl.load(raw + ray[:, None] + k[None, :], mask=mask, other=0) - 1)
    length = tl.load(delta + tl.maximum(k, 0)[None, :], mask=mask, other=0)
    return tl.where(mask, sigma * length, 0)


@triton.jit
def _tile_of_rays(height, width, ROWS: tl.constexpr, COLUMNS: tl.constexpr):  # type: ignore[no-untyped-def]
    """This program's tile: its row and column among the tiles, and j and i of its rays."""
    tiles = tl.cdiv(width, COLUMNS)
    tile_j = tl.program_id(0) // tiles
    tile_i = tl.program_id(0) % tiles
    ray = tl.arange(0, ROWS * COLUMNS)
    j = tile_j * ROWS + ray // COLUMNS
    i = tile_i * COLUMNS + ray % COLUMNS
    return tile_j.to(tl.int64), tile_i.to(tl.int64), j, i


@triton.jit
def _planes_of(  # type: ignore[no-untyped-def]
    field, xy, xz, yz, j, i, h, mask, height, width, samples, H: tl.constexpr
):
    """What rays read of a field: texels of the x-y plane, and where sample 0 finds the others."""
    # Offsets within a field stay 32 bits wide; where the field begins may need more.
    at_xy = (j * width + i)[:, None] * H + h[None, :]
    at_xz = (i * samples)[:, None] * H + h[None, :]
    at_yz = (j * samples)[:, None] * H + h[None, :]
    own = tl.load(xy + field * height * width * H + at_xy, mask=mask, other=0)
    own_xz = xz + field * width * samples * H + at_xz
    own_yz = yz + field * height * samples * H + at_yz
    return own, own_xz, own_yz


@triton.jit
def _pre(own, own_xz, own_yz, k, mask, H: tl.constexpr):  # type: ignore[no-untyped-def]
    """Pre-activations of sample k of the rays."""
    pre = own + tl.load(own_xz + k * H, mask=mask, other=0)
    return pre + tl.load(own_yz + k * H, mask=mask, other=0)


@triton.jit
def _forward_kernel(  # type: ignore[no-untyped-def]
    xy, xz, yz, weight, bias, delta, raw, weights, hidden, height, width, samples, num_fields,
    G: tl.constexpr, H: tl.constexpr, H_BLOCK: tl.constexpr, K_BLOCK: tl.constexpr,
    ROWS: tl.constexpr, COLUMNS: tl.constexpr, SLOPE: tl.constexpr,
):  # fmt: skip
    n = tl.program_id(1).to(tl.int64)
    _, _, j, i = _tile_of_rays(height, width, ROWS, COLUMNS)
    valid = (j < height) & (i < width)
    h = tl.arange(0, H_BLOCK)
    mask = valid[:, None] & (h < H)[None, :]
    at_xy = (j * width + i)[:, None] * H + h[None, :]

    all_k = tl.arange(0, K_BLOCK)
    mask_k = valid[:, None] & (all_k < samples)[None, :]
    for g in range(G):
        field = n * num_fields + g
        own, own_xz, own_yz = _planes_of(
            field, xy, xz, yz, j, i, h, mask, height, width, samples, H
        )
        read_out = tl.load(weight + g * H + h, mask=h < H, other=0)[None, :]
        offset = tl.load(bias + g)
        ray = ((n * G + g) * height + j) * width * samples + i * samples
        for k in range(samples):
            pre = _pre(own, own_xz, own_yz, k, mask, H)
            value = tl.sum(leaky_relu(pre, SLOPE) * read_out, 1) + offset
            tl.store(raw + ray + k, value, mask=valid)
        tl.debug_barrier()  # other threads of this program read them
        own_depth = _optical_depths(raw, delta + n * samples, ray, all_k, mask_k)
        # The sum over the samples in front is a sum over shifted values, not a difference of sums:
        # a huge own value would swallow what lies in front of it.
        in_front = _optical_depths(
            raw, delta + n * samples, ray, all_k - 1, mask_k & (all_k > 0)[None, :]
        )
        ends = tl.exp(-tl.cumsum(in_front, 1)) * (1 - tl.exp(-own_depth))
        tl.store(weights + ray[:, None] + all_k[None, :], ends, mask=mask_k)
    tl.debug_barrier()

    for f in range(G, num_fields):
        field = n * num_fields + f
        own, own_xz, own_yz = _planes_of(
            field, xy, xz, yz, j, i, h, mask, height, width, samples, H
        )
        g = f - G if G > 1 else 0
        ray = ((n * G + g) * height + j) * width * samples + i * samples
        total = tl.zeros_like(own)
        for k in range(samples):
            pre = _pre(own, own_xz, own_yz, k, mask, H)
            ends = tl.load(weights + ray + k, mask=valid, other=0)
            total += ends[:, None] * leaky_relu(pre, SLOPE)
        target = hidden + (field - (n + 1) * G) * height * width * H
        tl.store(target + at_xy, total, mask=mask)


@triton.jit
def _backward_kernel(  # type: ignore[no-untyped-def]
    xy, xz, yz, weight, delta, raw, weights, d_hidden, scratch,
    d_xy, d_xz, d_yz, d_weight, d_bias, height, width, samples, num_fields,
    G: tl.constexpr, H: tl.constexpr, H_BLOCK: tl.constexpr, K_BLOCK: tl.constexpr,
    ROWS: tl.constexpr, COLUMNS: tl.constexpr, SLOPE: tl.constexpr,
):  # fmt: skip
    n = tl.program_id(1).to(tl.int64)
    tile_j, tile_i, j, i = _tile_of_rays(height, width, ROWS, COLUMNS)
    valid = (j < height) & (i < width)
    h = tl.arange(0, H_BLOCK)
    mask = valid[:, None] & (h < H)[None, :]
    at_xy = (j * width + i)[:, None] * H + h[None, :]
    # Where this tile writes its own copy of the gradients of the x-z and y-z planes.
    column = tl.program_id(0) % tl.cdiv(width, COLUMNS) * COLUMNS + tl.arange(0, COLUMNS)
    row = tl.program_id(0) // tl.cdiv(width, COLUMNS) * ROWS + tl.arange(0, ROWS)
    to_xz = (column * samples)[:, None] * H + h[None, :]
    to_yz = (row * samples)[:, None] * H + h[None, :]
    mask_xz = (column < width)[:, None] & (h < H)[None, :]
    mask_yz = (row < height)[:, None] & (h < H)[None, :]
    copy_xz = tile_j * tl.num_programs(1) * num_fields
    copy_yz = tile_i * tl.num_programs(1) * num_fields

    for f in range(G, num_fields):
        field = n * num_fields + f
        own, own_xz, own_yz = _planes_of(
            field, xy, xz, yz, j, i, h, mask, height, width, samples, H
        )
        own_d_xz = d_xz + (copy_xz + field) * width * samples * H + to_xz
        own_d_yz = d_yz + (copy_yz + field) * height * samples * H + to_yz
        source = d_hidden + (field - (n + 1) * G) * height * width * H
        d_total = tl.load(source + at_xy, mask=mask, other=0)
        g = f - G if G > 1 else 0
        ray = ((n * G + g) * height + j) * width * samples + i * samples
        d_own = tl.zeros_like(own)
        for k in range(samples):
            pre = _pre(own, own_xz, own_yz, k, mask, H)
            d_ends = tl.load(scratch + ray + k, mask=valid, other=0)
            d_ends += tl.sum(leaky_relu(pre, SLOPE) * d_total, 1)
            tl.store(scratch + ray + k, d_ends, mask=valid)
            ends = tl.load(weights + ray + k, mask=valid, other=0)
            d_pre = leaky_relu_grad(pre, ends[:, None] * d_total, SLOPE)
            d_own += d_pre
            d_pre = tl.reshape(d_pre, (ROWS, COLUMNS, H_BLOCK))
            tl.store(own_d_xz + k * H, tl.sum(d_pre, 0), mask=mask_xz)
            tl.store(own_d_yz + k * H, tl.sum(d_pre, 1), mask=mask_yz)
        tl.store(d_xy + field * height * width * H + at_xy, d_own, mask=mask)
        tl.debug_barrier()

    all_k = tl.arange(0, K_BLOCK)
    mask_k = valid[:, None] & (all_k < samples)[None, :]
    for g in range(G):
        field = n * num_fields + g
        own, own_xz, own_yz = _planes_of(
            field, xy, xz, yz, j, i, h, mask, height, width, samples, H
        )
        own_d_xz = d_xz + (copy_xz + field) * width * samples * H + to_xz
        own_d_yz = d_yz + (copy_yz + field) * height * samples * H + to_yz
        ray = ((n * G + g) * height + j) * width * samples + i * samples
        at_k = ray[:, None] + all_k[None, :]

        # d w_m / d tau_m = T_{m+1}, the transmittance behind m; d w_k / d tau_m = -w_k for k > m.
        through = tl.exp(
            -tl.cumsum(_optical_depths(raw, delta + n * samples, ray, all_k, mask_k), 1)
        )
        d_ends = tl.load(scratch + at_k, mask=mask_k, other=0)
        lost = tl.load(weights + at_k, mask=mask_k, other=0) * d_ends
        d_depth = through * d_ends - (tl.cumsum(lost, 1, reverse=True) - lost)
        length = tl.load(delta + n * samples + all_k, mask=all_k < samples, other=0)
        sigma_raw = tl.load(raw + at_k, mask=mask_k, other=0) - 1
        slope = 1 / (1 + tl.exp(tl.minimum(-sigma_raw, 80)))  # of softplus; exp(89) overflows
        d_raw = tl.where(mask_k, d_depth * length[None, :] * slope, 0)
        tl.store(scratch + at_k, d_raw, mask=mask_k)
        copy = (tl.program_id(0) * tl.num_programs(1) + n) * G + g
        tl.store(d_bias + copy, tl.sum(tl.sum(d_raw, 1), 0))
        tl.debug_barrier()

        read_out = tl.load(weight + g * H + h, mask=h < H, other=0)
        d_read_out = tl.zeros_like(read_out)
        d_own = tl.zeros_like(own)
        for k in range(samples):
            pre = _pre(own, own_xz, own_yz, k, mask, H)
            d_value = tl.load(scratch + ray + k, mask=valid, other=0)[:, None]
            d_read_out += tl.sum(d_value * leaky_relu(pre, SLOPE), 0)
            d_pre = leaky_relu_grad(pre, d_value * read_out[None, :], SLOPE)
            d_own += d_pre
            d_pre = tl.reshape(d_pre, (ROWS, COLUMNS, H_BLOCK))
            tl.store(own_d_xz + k * H, tl.sum(d_pre, 0), mask=mask_xz)
            tl.store(own_d_yz + k * H, tl.sum(d_pre, 1), mask=mask_yz)
        tl.store(d_xy + field * height * width * H + at_xy, d_own, mask=mask)
        tl.store(d_weight + copy * H + h, d_read_out, mask=h < H)
