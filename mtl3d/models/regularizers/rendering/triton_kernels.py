"""The walks along the rays of a grid as two GPU kernels, one along the rays and one across them.

A program takes a tile of rays, or of texels, of one field and image, and goes through its points in
a fixed order. No two programs add to the same number: two runs give the same bits, without atomic
additions or copies. For that the pre-activations are computed three times in the backward pass
(along the rays for the x-y map, across them for the two others), which costs two additions each.

Indices: n image, f field, (j, i) ray, k sample, h hidden unit.
"""

from functools import partial
from typing import Any

import torch
import triton
import triton.language as tl
from torch import Tensor

from mtl3d.models.regularizers.rendering import fieldwise
from mtl3d.models.regularizers.rendering.fieldwise import Sums, Walk, split_texels
from mtl3d.models.regularizers.rendering.scene import NEGATIVE_SLOPE
from mtl3d.models.regularizers.rendering.triton_activations import leaky_relu_grad, leaky_relu_slope
from mtl3d.models.regularizers.rendering.triton_look_up import look_up
from mtl3d.models.regularizers.rendering.triton_point_kernels import point_walk
from mtl3d.models.regularizers.rendering.triton_termination import terminate, terminate_gradient

#: Rows and columns of rays in a tile, or places and samples of an x-z or y-z map.
_TILE = 8
_NUM_WARPS = 4


def grid_walk(size: tuple[int, int, int]) -> Walk:
    """Walk along the rays of a grid; see ``fieldwise.Kernels``."""

    def over_units(texels: Tensor, bias: Tensor, u: Tensor) -> Tensor:
        return _walk(size, texels, bias, None, u)[0]

    def over_samples(texels: Tensor, bias: Tensor, s: Tensor) -> Tensor:
        return _walk(size, texels, bias, s, None)[1]

    def back(texels: Tensor, bias: Tensor, s: Tensor, u: Tensor) -> Sums:
        units, samples, d_texels = _walk(size, texels, bias, s, u)
        d_bias = split_texels(d_texels, size)[0].sum((1, 2, 3))
        return Sums(units, samples, d_texels, d_bias)

    return Walk(over_units, over_samples, back)


_KERNELS = fieldwise.Kernels(look_up, grid_walk, point_walk, terminate, terminate_gradient)
render = partial(fieldwise.render, kernels=_KERNELS)


def _walk(
    size: tuple[int, int, int], texels: Tensor, bias: Tensor, s: Tensor | None, u: Tensor | None
) -> tuple[Any, Any, Any]:
    """Run the kernels; what s or u are needed for is None without them."""
    (height, width, samples), (num_fields, batch, _, units) = size, texels.shape
    shape = num_fields, batch, height, width
    texels, bias = texels.contiguous(), bias.contiguous()
    over_units = over_samples = d_texels = None
    # How far the next field's s and the next ray's u are.
    s_field = u_ray = 0
    if u is not None:
        u = u.contiguous()
        u_ray = 0 if u[0].numel() == units else units
        over_units = texels.new_empty(*shape, samples)
    if s is not None:
        s_field = 0 if len(s) == 1 else s[0].numel()
        over_samples = texels.new_empty(*shape, units)
    if s is not None and u is not None:
        d_texels = torch.empty_like(texels)

    def launch(kernel: Any, rows: int, columns: int, *arguments: Any) -> None:
        """Run a program per tile of rows and columns, image and field."""
        tiles = triton.cdiv(rows, _TILE) * triton.cdiv(columns, _TILE)
        with torch.cuda.device_of(texels):
            kernel[tiles, batch, num_fields](
                texels, bias, s, u, d_texels, s_field, u_ray, height, width, samples, *arguments,
                H=units, H_BLOCK=triton.next_power_of_2(units), TILE=_TILE, SLOPE=NEGATIVE_SLOPE,
                num_warps=_NUM_WARPS,
            )  # fmt: skip

    launch(_along_rays_kernel, height, width, over_units, over_samples)
    if d_texels is not None:
        launch(_across_rays_kernel, width, samples, True)
        launch(_across_rays_kernel, height, samples, False)
    return over_units, over_samples, d_texels


@triton.jit
def _tile(rows, columns, TILE: tl.constexpr):  # type: ignore[no-untyped-def]
    """Rows ``(TILE, 1, 1)`` and columns ``(1, TILE, 1)`` of this program, and which there are."""
    tiles = tl.cdiv(columns, TILE)
    row = tl.program_id(0) // tiles * TILE + tl.arange(0, TILE)[:, None, None]
    column = tl.program_id(0) % tiles * TILE + tl.arange(0, TILE)[None, :, None]
    return row, column, row < rows, column < columns


@triton.jit
def _along_rays_kernel(  # type: ignore[no-untyped-def]
    texels, bias, s, u, d_texels, s_field, u_ray, height, width, samples, over_units, over_samples,
    H: tl.constexpr, H_BLOCK: tl.constexpr, TILE: tl.constexpr, SLOPE: tl.constexpr,
):  # fmt: skip
    """Sums along rays: over units (given u), over samples (given s), onto the x-y map (both)."""
    n, f = tl.program_id(1).to(tl.int64), tl.program_id(2).to(tl.int64)
    image = f * tl.num_programs(1) + n  # counted through all fields
    j, i, valid_j, valid_i = _tile(height, width, TILE)
    h = tl.arange(0, H_BLOCK)[None, None, :]
    valid_h = h < H
    valid, rays = valid_j & valid_i, height * width
    ray = j * width + i
    texels += image * (rays + (width + height) * samples) * H
    own = tl.load(texels + ray * H + h, mask=valid & valid_h, other=0)
    own += tl.load(bias + f * H + h, mask=valid_h, other=0)
    xz = texels + (rays + i * samples) * H + h
    yz = texels + (rays + (width + j) * samples) * H + h
    if s is not None:
        s += f * s_field + n * rays * samples + ray * samples
        total = tl.zeros_like(own)
    if u is not None:
        # A vector that all rays share has one place; where it stands depends on the field alone.
        where = tl.where(u_ray > 0, image * rays, f) * H + ray * u_ray
        own_u = tl.load(u + where + h, mask=valid & valid_h, other=0)
        over_units += (image * rays + ray) * samples
    if d_texels is not None:
        d_own = tl.zeros_like(own)
    for k in range(samples):
        pre = own + tl.load(xz + k * H, mask=valid_i & valid_h, other=0)
        pre += tl.load(yz + k * H, mask=valid_j & valid_h, other=0)
        slope = leaky_relu_slope(pre, SLOPE)
        phi = pre * slope
        if u is not None:
            tl.store(over_units + k, tl.sum(phi * own_u, 2, keep_dims=True), mask=valid)
        if s is not None:
            weight = tl.load(s + k, mask=valid, other=0)
            total += phi * weight
        if d_texels is not None:
            d_own += own_u * (weight * slope)
    if s is not None:
        tl.store(over_samples + (image * rays + ray) * H + h, total, mask=valid & valid_h)
    if d_texels is not None:
        d_texels += image * (rays + (width + height) * samples) * H
        tl.store(d_texels + ray * H + h, d_own, mask=valid & valid_h)


@triton.jit
def _across_rays_kernel(  # type: ignore[no-untyped-def]
    texels, bias, s, u, d_texels, s_field, u_ray, height, width, samples, X_Z: tl.constexpr,
    H: tl.constexpr, H_BLOCK: tl.constexpr, TILE: tl.constexpr, SLOPE: tl.constexpr,
):  # fmt: skip
    """Sums onto the x-z map, over rows of rays, or onto the y-z map, over columns."""
    n, f = tl.program_id(1).to(tl.int64), tl.program_id(2).to(tl.int64)
    image = f * tl.num_programs(1) + n
    rays = height * width
    xz, yz = rays * H, (rays + width * samples) * H  # where these maps begin
    # The program's texels are at some places p and samples k; q goes through the other side.
    if X_Z:
        places, own_map, others, other_map = width, xz, height, yz
        step_p, step_q = 1, width
    else:
        places, own_map, others, other_map = height, yz, width, xz
        step_p, step_q = width, 1
    p, k, valid_p, valid_k = _tile(places, samples, TILE)
    h = tl.arange(0, H_BLOCK)[None, None, :]
    valid_h = h < H
    mask = valid_p & valid_k & valid_h
    first = image * (rays + (width + height) * samples) * H
    texels += first
    own_at = own_map + (p * samples + k) * H + h
    own = tl.load(texels + own_at, mask=mask, other=0)
    own += tl.load(bias + f * H + h, mask=valid_h, other=0)
    xy = texels + p * step_p * H + h
    other = texels + other_map + k * H + h
    s += f * s_field + n * rays * samples + p * step_p * samples + k
    u += tl.where(u_ray > 0, image * rays, f) * H + p * step_p * u_ray + h
    d_own = tl.zeros_like(own)
    for q in range(others):
        at_xy = tl.load(xy + q * step_q * H, mask=valid_p & valid_h, other=0)
        at_other = tl.load(other + q * samples * H, mask=valid_k & valid_h, other=0)
        own_u = tl.load(u + q * step_q * u_ray, mask=valid_p & valid_h, other=0)
        weight = tl.load(s + q * step_q * samples, mask=valid_p & valid_k, other=0)
        d_own += own_u * leaky_relu_grad(own + (at_xy + at_other), weight, SLOPE)
    tl.store(d_texels + first + own_at, d_own, mask=mask)
