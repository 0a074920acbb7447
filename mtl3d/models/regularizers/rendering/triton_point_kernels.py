"""The walk along arbitrary rays on the GPU: four taps on each of the three projected planes.

A program takes a tile of rays of one field and image. Gradients of many points meet in one texel,
in an order that nobody knows. They are added as integers, multiples of the largest possible
gradient times ``points / 2^62``: such sums do not depend on their order, so two runs give the same
bits, and they are finer than float32 sums.
"""

from collections.abc import Sequence
from functools import partial
from typing import Any

import torch
import triton
import triton.language as tl
from torch import Tensor

from mtl3d.models.regularizers.rendering.fieldwise import Sums, Walk
from mtl3d.models.regularizers.rendering.scene import NEGATIVE_SLOPE, PaddingMode, PointRays
from mtl3d.models.regularizers.rendering.triton_activations import leaky_relu_slope
from mtl3d.models.regularizers.rendering.triton_look_up import texel_position

#: Rays in a tile.
_TILE = 16
_NUM_WARPS = 4


def point_walk(
    rays: PointRays, sizes: Sequence[tuple[int, int]], padding_mode: PaddingMode
) -> Walk:
    """Walk along arbitrary rays; see ``fieldwise.Kernels``."""
    walk = partial(_walk, rays.points.contiguous(), sizes, padding_mode == 'border')

    def over_units(texels: Tensor, bias: Tensor, u: Tensor) -> Tensor:
        return walk(texels, bias, None, u)[0]

    def over_samples(texels: Tensor, bias: Tensor, s: Tensor) -> Tensor:
        return walk(texels, bias, s, None)[1]

    def back(texels: Tensor, bias: Tensor, s: Tensor, u: Tensor) -> Sums:
        return Sums(*walk(texels, bias, s, u))

    return Walk(over_units, over_samples, back)


def _walk(
    points: Tensor,
    sizes: Sequence[tuple[int, int]],
    border: bool,
    texels: Tensor,
    bias: Tensor,
    s: Tensor | None,
    u: Tensor | None,
) -> tuple[Any, ...]:
    """Run the kernel; what s or u are needed for is None without them."""
    batch, height, width, samples, _ = points.shape
    num_fields, _, num_texels, units = texels.shape
    shape = num_fields, batch, height, width
    texels, bias = texels.contiguous(), bias.contiguous()
    over_units = over_samples = steps = sums = d_bias = None  # type: Any
    tiles = triton.cdiv(height * width, _TILE)
    if u is not None:
        u = u.expand(*shape, -1).contiguous()
        over_units = texels.new_empty(*shape, samples)
    if s is not None:
        s = s.expand(*shape, -1).contiguous()
        over_samples = texels.new_empty(*shape, units)
    if s is not None and u is not None:
        largest = (s.abs().amax() * u.abs().amax()).double()
        unit = largest * (height * width * samples / 2**62)  # no sum exceeds 2^62 of it
        steps = torch.where(unit > 0, 1 / unit, 0)
        sums = torch.zeros_like(texels, dtype=torch.int64)
        d_bias = texels.new_empty(tiles, batch, num_fields, units)
    with torch.cuda.device_of(texels):
        _walk_kernel[tiles, num_fields, batch](
            points, texels, bias, s, u, over_units, over_samples, steps, sums, d_bias,
            height * width, samples, num_texels, *(side for size in sizes for side in size),
            BORDER=border, H=units, H_BLOCK=triton.next_power_of_2(units), TILE=_TILE,
            SLOPE=NEGATIVE_SLOPE, num_warps=_NUM_WARPS,
        )  # fmt: skip
    if sums is None:
        return over_units, over_samples
    return over_units, over_samples, (sums * unit).to(texels.dtype), d_bias.sum((0, 1))


@triton.jit
def _texel(position, size, BORDER: tl.constexpr):  # type: ignore[no-untyped-def]
    """The texel before a position and the share of the one behind it."""
    texel = texel_position(position, size, BORDER)
    if not BORDER:  # what lies farther out is as empty, but its index might overflow
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
def _walk_kernel(  # type: ignore[no-untyped-def]
    points, texels, bias, s, u, over_units, over_samples, steps, sums, d_bias,
    num_rays, samples, num_texels, xy_y, xy_x, xz_z, xz_x, yz_y, yz_z,
    BORDER: tl.constexpr, H: tl.constexpr, H_BLOCK: tl.constexpr, TILE: tl.constexpr,
    SLOPE: tl.constexpr,
):  # fmt: skip
    """Sums over units (given u), over samples (given s), onto texels and bias (given both)."""
    f, n = tl.program_id(1).to(tl.int64), tl.program_id(2).to(tl.int64)
    image = f * tl.num_programs(2) + n  # counted through all fields
    ray = tl.program_id(0) * TILE + tl.arange(0, TILE)
    h = tl.arange(0, H_BLOCK)
    valid = ray < num_rays
    mask = valid[:, None] & (h < H)[None, :]
    of_ray = (image * num_rays + ray)[:, None] * H + h[None, :]
    own_bias = tl.load(bias + f * H + h, mask=h < H, other=0)[None, :]
    points += (n * num_rays + ray) * samples * 3
    xy = image * num_texels * H  # where the planes begin
    xz = xy + xy_y * xy_x * H
    yz = xz + xz_z * xz_x * H
    if u is not None:
        own_u = tl.load(u + of_ray, mask=mask, other=0)
        over_units += (image * num_rays + ray) * samples
    if s is not None:
        s += (image * num_rays + ray) * samples
        total = tl.zeros(mask.shape, texels.dtype.element_ty)
    if sums is not None:
        per_unit = tl.load(steps)
        own_d_bias = tl.zeros(mask.shape, texels.dtype.element_ty)
    for k in range(samples):
        x = tl.load(points + k * 3, mask=valid, other=0)
        y = tl.load(points + k * 3 + 1, mask=valid, other=0)
        z = tl.load(points + k * 3 + 2, mask=valid, other=0)
        pre = _look_up(texels + xy, y, x, xy_y, xy_x, h, mask, H, BORDER)
        pre += _look_up(texels + xz, z, x, xz_z, xz_x, h, mask, H, BORDER)
        pre += _look_up(texels + yz, y, z, yz_y, yz_z, h, mask, H, BORDER)
        pre += own_bias
        slope = leaky_relu_slope(pre, SLOPE)
        phi = pre * slope
        if u is not None:
            tl.store(over_units + k, tl.sum(phi * own_u, 1), mask=valid)
        if s is not None:
            weight = tl.load(s + k, mask=valid, other=0)[:, None]
            total += weight * phi
        if sums is not None:
            d_pre = own_u * (weight * slope)
            own_d_bias += d_pre
            d_pre = d_pre.to(tl.float64) * per_unit
            _add_to(sums + xy, d_pre, y, x, xy_y, xy_x, h, mask, H, BORDER)
            _add_to(sums + xz, d_pre, z, x, xz_z, xz_x, h, mask, H, BORDER)
            _add_to(sums + yz, d_pre, y, z, yz_y, yz_z, h, mask, H, BORDER)
    if s is not None:
        tl.store(over_samples + of_ray, total, mask=mask)
    if sums is not None:
        copy = (tl.program_id(0) * tl.num_programs(2) + n) * tl.num_programs(1) + f
        tl.store(d_bias + copy * H + h, tl.sum(own_d_bias, 0), mask=h < H)
