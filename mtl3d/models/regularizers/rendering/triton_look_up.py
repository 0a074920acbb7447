"""What the rays of a grid read of the planes, and the gradient of that, as one GPU kernel."""

from collections.abc import Sequence
from typing import Any

import torch
import triton
import triton.language as tl
from torch import Tensor
from torch.autograd.function import once_differentiable

from mtl3d.models.regularizers.rendering.fieldwise import split_texels
from mtl3d.models.regularizers.rendering.scene import GridRays, PaddingMode, TriPlane

#: Columns that a program writes, or reads, at a time.
_BLOCK = 8
_NUM_WARPS = 4


def look_up(planes: TriPlane, rays: GridRays, padding_mode: PaddingMode) -> Tensor:
    """Look up what the rays of a grid read of the planes; see ``fieldwise.Kernels``."""
    z = rays.z.contiguous()
    return _LookUp.apply(rays.x.contiguous(), rays.y.contiguous(), z, padding_mode, *planes)


class _LookUp(torch.autograd.Function):
    """The autograd function behind :func:`look_up`."""

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, y: Tensor, z: Tensor, padding_mode: PaddingMode, *planes: Tensor
    ) -> Tensor:
        ctx.save_for_backward(x, y, z)
        ctx.border = padding_mode == 'border'
        ctx.planes = [plane.shape for plane in planes]
        batch, channels = planes[0].shape[:2]
        height, width, samples = size = len(y), len(x), z.shape[1]
        num_texels = height * width + (width + height) * samples
        texels = planes[0].new_empty(batch, num_texels, channels)
        parts, sides = split_texels(texels, size), _sides(x, y, z)
        for plane, part, side in zip(_as_maps(planes), parts, sides, strict=True):
            _resample(plane, part, *side, border=ctx.border, transposed=False)
        return texels

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, d_texels: Tensor) -> tuple[Tensor | None, ...]:
        x, y, z = ctx.saved_tensors
        d_planes = [d_texels.new_empty(shape) for shape in ctx.planes]
        parts, sides = split_texels(d_texels, (len(y), len(x), z.shape[1])), _sides(x, y, z)
        for d_plane, part, side in zip(_as_maps(d_planes), parts, sides, strict=True):
            _resample(part, d_plane, *side, border=ctx.border, transposed=True)
        return None, None, None, None, *d_planes


def _as_maps(planes: Sequence[Tensor]) -> list[Tensor]:
    """View planes as the maps: ``(N, y, x, C)``, ``(N, x, z, C)``, ``(N, y, z, C)``."""
    xy, xz, yz = (plane.movedim(1, -1) for plane in planes)
    return [xy, xz.transpose(1, 2), yz]


def _sides(x: Tensor, y: Tensor, z: Tensor) -> list[tuple[Tensor, Tensor]]:
    """Positions of the rows and of the columns of each map."""
    return [(y, x), (x, z), (y, z)]


def _resample(
    source: Tensor, target: Tensor, rows: Tensor, columns: Tensor, *, border: bool, transposed: bool
) -> None:
    """Fill the target with bilinear look-ups of the source, or with their gradient.

    Args:
        source: ``(N, a, b, C)``, a plane; if transposed, what belongs to positions.
        target: ``(N, p, q, C)``, what belongs to positions; if transposed, a plane.
        rows: ``(p,)`` positions; if transposed, a of them.
        columns: ``(q,)`` or ``(N, q)``; if transposed, b of them.
        border: Whether the plane's border continues outside of it.
        transposed: Whether to compute the gradient.
    """
    batch, rows_out, columns_out, channels = target.shape
    plane = target if transposed else source
    with torch.cuda.device_of(source):
        _resample_kernel[triton.cdiv(columns_out, _BLOCK), rows_out, batch](
            source, target, rows, columns, *source.shape[1:3], columns_out, channels,
            *plane.shape[1:3], *source.stride(), *target.stride(),
            columns.shape[-1] if columns.ndim == 2 else 0,
            BORDER=border, TRANSPOSED=transposed, BLOCK=_BLOCK,
            C_BLOCK=triton.next_power_of_2(channels), num_warps=_NUM_WARPS,
        )  # fmt: skip


@triton.jit
def texel_position(position, size, BORDER: tl.constexpr):  # type: ignore[no-untyped-def]
    """The place of a position among the texels of an axis."""
    texel = ((position + 1) * size - 1) / 2
    if BORDER:
        texel = tl.minimum(tl.maximum(texel, 0), size - 1)
    return texel


@triton.jit
def _resample_kernel(  # type: ignore[no-untyped-def]
    source, target, rows, columns, rows_in, columns_in, columns_out, channels, plane_rows,
    plane_columns, source_n, source_a, source_b, source_c, target_n, target_p, target_q, target_c,
    columns_n,
    BORDER: tl.constexpr, TRANSPOSED: tl.constexpr, BLOCK: tl.constexpr, C_BLOCK: tl.constexpr,
):  # fmt: skip
    """One row p, some columns q of an image: ``sum_ab hat(p, a) hat(q, b) source[a, b]``.

    The look-ups are a sum over all texels with weights that are mostly 0, and so is their gradient:
    each number is written once, by one program.
    """
    n, p = tl.program_id(2).to(tl.int64), tl.program_id(1)
    q = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)[:, None, None]
    c = tl.arange(0, C_BLOCK)[None, None, :]
    columns += n * columns_n
    source += n * source_n + c * source_c
    if not TRANSPOSED:
        row = texel_position(tl.load(rows + p), plane_rows, BORDER)
        column = texel_position(
            tl.load(columns + q, mask=q < columns_out, other=0), plane_columns, BORDER
        )
    total = tl.zeros((BLOCK, C_BLOCK), source.dtype.element_ty)
    for a in range(rows_in):
        if TRANSPOSED:
            distance = texel_position(tl.load(rows + a), plane_rows, BORDER) - p
        else:
            distance = row - a
        share = 1 - tl.abs(distance)
        if share > 0:  # of most rows nothing is read
            for first in range(0, columns_in, BLOCK):
                b = first + tl.arange(0, BLOCK)[None, :, None]
                valid = b < columns_in
                if TRANSPOSED:
                    at = texel_position(
                        tl.load(columns + b, mask=valid, other=0), plane_columns, BORDER
                    )
                    hat = 1 - tl.abs(at - q)
                else:
                    hat = 1 - tl.abs(column - b)
                values = tl.load(
                    source + a * source_a + b * source_b, mask=valid & (c < channels), other=0
                )
                total += share * tl.sum(tl.maximum(hat, 0) * values, 1)
    place = tl.reshape(q, (BLOCK, 1)) * target_q + tl.reshape(c, (1, C_BLOCK)) * target_c
    mask = tl.reshape(q < columns_out, (BLOCK, 1)) & tl.reshape(c < channels, (1, C_BLOCK))
    tl.store(target + n * target_n + p * target_p + place, total, mask=mask)
