"""Arbitrary rays on the GPU: four taps on each of the three projected planes per point.

The three loops of ``two_sums`` as one kernel each, over a scene of the three projected planes
``(n, f, rows, columns, H)`` and the bias ``(f, H)``; a program takes a tile of rays of one field.
Three kernels, not one forward and one backward: the weights of a ray, which all fields share, lie
between the two sums, so that programs of different fields would have to wait for each other.

Gradients of many points meet in one texel, in an order that nobody knows. They are added as
integers, multiples of the largest possible gradient times ``points / 2^62``: such sums do not
depend on their order, so two runs give the same bits, and they are finer than float32 sums.
"""

from collections.abc import Sequence
from functools import partial
from typing import Any

import torch
import triton
import triton.language as tl
from torch import Tensor

from mtl3d.models.regularizers.rendering.scene import NEGATIVE_SLOPE, PaddingMode, TriPlane
from mtl3d.models.regularizers.rendering.triton_activations import leaky_relu, leaky_relu_grad
from mtl3d.models.regularizers.rendering.two_sums import Sums, composite

#: Rays in a tile.
TILE = 16
_NUM_WARPS = 4


def composite_points(
    planes: TriPlane, bias: Tensor, density_weight: Tensor, density_bias: Tensor, points: Tensor,
    delta: Tensor, padding_mode: PaddingMode,
) -> tuple[Tensor, Tensor]:  # fmt: skip
    """Composite hidden units along arbitrary rays; see ``separable.composite_points``.

    Args:
        planes: Projected planes ``(N, G + T, rows, columns, H)`` on a CUDA device (anywhere in
            Triton's interpreter mode).
        bias: ``(G + T, H)``.
        density_weight: ``(G, H)``.
        density_bias: ``(G,)``.
        points: ``(N, h, w, D, 3)``.
        delta: ``(N, h, w, D)``.
        padding_mode: How planes continue outside themselves.

    Returns:
        ``(N, T, h, w, H)`` and ``(N, G, h, w, D)``.
    """
    num = len(density_weight), len(bias) - len(density_weight)
    scene = zip(*(plane.split(num, dim=1) for plane in planes), bias.split(num), strict=True)
    of_density, of_values = ([part.contiguous() for part in parts] for parts in scene)
    where = points.contiguous(), padding_mode == 'border'
    sums = Sums(
        partial(_sum_over_units, *where),
        partial(_sum_over_samples, *where),
        partial(_gradients, *where),
    )
    return composite(sums, of_density, of_values, num[1], density_weight, density_bias, delta)


def _sum_over_units(points: Tensor, border: bool, scene: Sequence[Tensor], u: Tensor) -> Tensor:
    out = scene[0].new_empty(*u.shape[:4], points.shape[3])
    _launch(_sum_over_units_kernel, points, border, scene, u.contiguous(), out)
    return out


def _sum_over_samples(points: Tensor, border: bool, scene: Sequence[Tensor], s: Tensor) -> Tensor:
    out = scene[0].new_empty(*s.shape[:4], scene[0].shape[-1])
    _launch(_sum_over_samples_kernel, points, border, scene, s.contiguous(), out)
    return out


def _gradients(
    points: Tensor, border: bool, scene: Sequence[Tensor], s: Tensor, u: Tensor
) -> list[Tensor]:
    """Sum the pre-activations' gradients ``s u phi'`` onto the planes and the bias."""
    *planes, bias = scene
    largest = (s.abs().amax() * u.abs().amax()).double()
    unit = largest * (points[0, ..., 0].numel() / 2**62)  # no sum exceeds 2^62 of it
    sums = [torch.zeros_like(plane, dtype=torch.int64) for plane in planes]
    tiles = triton.cdiv(points.shape[1] * points.shape[2], TILE)
    d_bias = bias.new_empty(tiles, len(points), *bias.shape)
    steps = torch.where(unit > 0, 1 / unit, 0)
    _launch(
        _gradients_kernel, points, border, scene, s.contiguous(), u.contiguous(), steps,
        *sums, d_bias,
    )  # fmt: skip
    return [*((total * unit).to(bias.dtype) for total in sums), d_bias.sum((0, 1))]


def _launch(
    kernel: Any, points: Tensor, border: bool, scene: Sequence[Tensor], *tensors: Tensor
) -> None:
    """Run a kernel with one program per tile of rays, field and image."""
    xy, xz, yz, bias = scene
    batch, height, width, samples, _ = points.shape
    num_rays, (num_fields, units) = height * width, bias.shape
    with torch.cuda.device_of(xy):
        kernel[triton.cdiv(num_rays, TILE), num_fields, batch](
            points, xy, xz, yz, bias, *tensors, num_rays, samples,
            *xy.shape[2:4], *xz.shape[2:4], *yz.shape[2:4],
            BORDER=border, H=units, H_BLOCK=triton.next_power_of_2(units), TILE=TILE,
            SLOPE=NEGATIVE_SLOPE, num_warps=_NUM_WARPS,
        )  # fmt: skip


@triton.jit
def _texel(position, size, BORDER: tl.constexpr):  # type: ignore[no-untyped-def]
    """The texel before a position and the share of the one behind it."""
    texel = ((position + 1) * size - 1) / 2
    if BORDER:
        texel = tl.minimum(tl.maximum(texel, 0), size - 1)
    else:  # what lies farther out is as empty, but its index might overflow
        texel = tl.minimum(tl.maximum(texel, -2), size + 1)
    low = tl.floor(texel)
    return low.to(tl.int32), texel - low


@triton.jit
def _tap(texel, share, second: tl.constexpr, size):  # type: ignore[no-untyped-def]
    """Index and weight of the first or second texel of a linear look-up; outside weighs 0."""
    index = texel + second
    weight = share if second else 1 - share
    inside = (index >= 0) & (index < size)
    return tl.minimum(tl.maximum(index, 0), size - 1), tl.where(inside, weight, 0)


@triton.jit
def _look_up(plane, row, column, rows, columns, h, mask, H: tl.constexpr, BORDER: tl.constexpr):  # type: ignore[no-untyped-def]
    """Look R positions of a plane up bilinearly: ``(R, H_BLOCK)``."""
    top, down = _texel(row, rows, BORDER)
    left, right = _texel(column, columns, BORDER)
    total = tl.zeros(mask.shape, plane.dtype.element_ty)
    for second_row in tl.static_range(2):
        r, r_weight = _tap(top, down, second_row, rows)
        for second_column in tl.static_range(2):
            c, c_weight = _tap(left, right, second_column, columns)
            at = (r * columns + c)[:, None] * H + h[None, :]
            value = tl.load(plane + at, mask=mask, other=0)
            total += (r_weight * c_weight)[:, None] * value
    return total


@triton.jit
def _add_to(  # type: ignore[no-untyped-def]
    plane, d_pre, row, column, rows, columns, h, mask, H: tl.constexpr, BORDER: tl.constexpr
):
    """Add ``(R, H_BLOCK)`` to the texels that :func:`_look_up` reads, as integers."""
    top, down = _texel(row, rows, BORDER)
    left, right = _texel(column, columns, BORDER)
    for second_row in tl.static_range(2):
        r, r_weight = _tap(top, down, second_row, rows)
        for second_column in tl.static_range(2):
            c, c_weight = _tap(left, right, second_column, columns)
            at = (r * columns + c)[:, None] * H + h[None, :]
            value = (r_weight * c_weight)[:, None] * d_pre
            tl.atomic_add(plane + at, value.to(tl.int64), mask=mask, sem='relaxed')


@triton.jit
def _tile_of_rays(  # type: ignore[no-untyped-def]
    num_rays, bias, H: tl.constexpr, H_BLOCK: tl.constexpr, TILE: tl.constexpr
):
    """This program's image, field (counted through all images) and R rays; units; bias."""
    n = tl.program_id(2).to(tl.int64)
    field = n * tl.num_programs(1) + tl.program_id(1)
    ray = tl.program_id(0) * TILE + tl.arange(0, TILE)
    h = tl.arange(0, H_BLOCK)
    valid = ray < num_rays
    own_bias = tl.load(bias + tl.program_id(1) * H + h, mask=h < H, other=0)[None, :]
    return n, field, ray, valid, h, valid[:, None] & (h < H)[None, :], own_bias


@triton.jit
def _pre(  # type: ignore[no-untyped-def]
    points, xy, xz, yz, own_bias, n, field, ray, k, num_rays, samples,
    xy_y, xy_x, xz_z, xz_x, yz_y, yz_z, valid, h, mask, H: tl.constexpr, BORDER: tl.constexpr,
):  # fmt: skip
    """Positions of sample k of R rays and their pre-activations ``(R, H_BLOCK)``."""
    point = points + ((n * num_rays + ray) * samples + k) * 3
    x = tl.load(point, mask=valid, other=0)
    y = tl.load(point + 1, mask=valid, other=0)
    z = tl.load(point + 2, mask=valid, other=0)
    pre = _look_up(xy + field * xy_y * xy_x * H, y, x, xy_y, xy_x, h, mask, H, BORDER)
    pre += _look_up(xz + field * xz_z * xz_x * H, z, x, xz_z, xz_x, h, mask, H, BORDER)
    pre += _look_up(yz + field * yz_y * yz_z * H, y, z, yz_y, yz_z, h, mask, H, BORDER)
    return x, y, z, pre + own_bias


@triton.jit
def _sum_over_units_kernel(  # type: ignore[no-untyped-def]
    points, xy, xz, yz, bias, u, out, num_rays, samples, xy_y, xy_x, xz_z, xz_x, yz_y, yz_z,
    BORDER: tl.constexpr, H: tl.constexpr, H_BLOCK: tl.constexpr, TILE: tl.constexpr,
    SLOPE: tl.constexpr,
):  # fmt: skip
    n, field, ray, valid, h, mask, own_bias = _tile_of_rays(num_rays, bias, H, H_BLOCK, TILE)
    own_u = tl.load(u + (field * num_rays + ray)[:, None] * H + h[None, :], mask=mask, other=0)
    for k in range(samples):
        _, _, _, pre = _pre(
            points, xy, xz, yz, own_bias, n, field, ray, k, num_rays, samples,
            xy_y, xy_x, xz_z, xz_x, yz_y, yz_z, valid, h, mask, H, BORDER,
        )  # fmt: skip
        value = tl.sum(leaky_relu(pre, SLOPE) * own_u, 1)
        tl.store(out + (field * num_rays + ray) * samples + k, value, mask=valid)


@triton.jit
def _sum_over_samples_kernel(  # type: ignore[no-untyped-def]
    points, xy, xz, yz, bias, s, out, num_rays, samples, xy_y, xy_x, xz_z, xz_x, yz_y, yz_z,
    BORDER: tl.constexpr, H: tl.constexpr, H_BLOCK: tl.constexpr, TILE: tl.constexpr,
    SLOPE: tl.constexpr,
):  # fmt: skip
    n, field, ray, valid, h, mask, own_bias = _tile_of_rays(num_rays, bias, H, H_BLOCK, TILE)
    total = tl.zeros(mask.shape, out.dtype.element_ty)
    for k in range(samples):
        _, _, _, pre = _pre(
            points, xy, xz, yz, own_bias, n, field, ray, k, num_rays, samples,
            xy_y, xy_x, xz_z, xz_x, yz_y, yz_z, valid, h, mask, H, BORDER,
        )  # fmt: skip
        weight = tl.load(s + (field * num_rays + ray) * samples + k, mask=valid, other=0)
        total += weight[:, None] * leaky_relu(pre, SLOPE)
    tl.store(out + (field * num_rays + ray)[:, None] * H + h[None, :], total, mask=mask)


@triton.jit
def _gradients_kernel(  # type: ignore[no-untyped-def]
    points, xy, xz, yz, bias, s, u, steps, sum_xy, sum_xz, sum_yz, d_bias,
    num_rays, samples, xy_y, xy_x, xz_z, xz_x, yz_y, yz_z,
    BORDER: tl.constexpr, H: tl.constexpr, H_BLOCK: tl.constexpr, TILE: tl.constexpr,
    SLOPE: tl.constexpr,
):  # fmt: skip
    n, field, ray, valid, h, mask, own_bias = _tile_of_rays(num_rays, bias, H, H_BLOCK, TILE)
    own_u = tl.load(u + (field * num_rays + ray)[:, None] * H + h[None, :], mask=mask, other=0)
    per_unit = tl.load(steps)
    own_d_bias = tl.zeros_like(own_u)
    for k in range(samples):
        x, y, z, pre = _pre(
            points, xy, xz, yz, own_bias, n, field, ray, k, num_rays, samples,
            xy_y, xy_x, xz_z, xz_x, yz_y, yz_z, valid, h, mask, H, BORDER,
        )  # fmt: skip
        weight = tl.load(s + (field * num_rays + ray) * samples + k, mask=valid, other=0)
        d_pre = leaky_relu_grad(pre, weight[:, None] * own_u, SLOPE)
        own_d_bias += d_pre
        d_pre = d_pre.to(tl.float64) * per_unit
        _add_to(sum_xy + field * xy_y * xy_x * H, d_pre, y, x, xy_y, xy_x, h, mask, H, BORDER)
        _add_to(sum_xz + field * xz_z * xz_x * H, d_pre, z, x, xz_z, xz_x, h, mask, H, BORDER)
        _add_to(sum_yz + field * yz_y * yz_z * H, d_pre, y, z, yz_y, yz_z, h, mask, H, BORDER)
    copy = (tl.program_id(0) * tl.num_programs(2) + n) * tl.num_programs(1) + tl.program_id(1)
    tl.store(d_bias + copy * H + h, tl.sum(own_d_bias, 0), mask=h < H)
