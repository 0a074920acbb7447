"""The same rendering without its waste: three exact identities and a bounded memory.

1. Project, then sample. Look-up and sum of planes are linear, hence a field's first layer acts on
   plane texels, once each, instead of on points.
2. Rays along z separate: the pre-activation of sample k of the ray (j, i) is
   ``xy[j, i] + xz[k, i] + yz[j, k]``, a broadcast sum of three small maps; no point is looked up.
3. Render, then read out. The second layer is linear, hence it acts on composited hidden units,
   once per ray: ``sum_k w_k (W phi_k + b) = W (sum_k w_k phi_k) + b sum_k w_k``.

What is left per point is an addition, a LeakyReLU, one dot product for the density and one
multiply-add per hidden unit. It runs over blocks of rays that fit into the cache, and the backward
pass computes each block again, so nothing of the size of all points is ever stored.
"""

from collections.abc import Callable, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import once_differentiable

from mtl3d.models.regularizers.rendering.reference import look_up
from mtl3d.models.regularizers.rendering.scene import (
    NEGATIVE_SLOPE,
    FieldWeights,
    GridRays,
    PaddingMode,
    PointRays,
    Rendering,
    TriPlane,
    density,
    ray_weights,
)

#: What cuts one block out of a tensor.
Index = Any
#: Tensors, each with the position of its index in a block; None: every block takes all of it.
Operands = list[tuple[Tensor, int | None]]

#: Bytes of pre-activations in one block.
BLOCK_BYTES = 4 * 2**20


def render(
    planes: TriPlane,
    fields: FieldWeights,
    rays: GridRays | PointRays,
    *,
    padding_mode: PaddingMode = 'zeros',
) -> Rendering:
    """Render all fields block by block; see :func:`mtl3d.models.regularizers.rendering.render`."""
    render_kind = _render_grid if isinstance(rays, GridRays) else _render_points
    channels = [len(bias) for bias in fields.value_biases]
    maps = render_kind(planes, fields, rays, padding_mode)  # type: ignore[arg-type]
    maps = maps.permute(0, 3, 1, 2)
    num_densities = len(fields.density_weight)
    *values, opacity, depth = maps.split([*channels, num_densities, num_densities], dim=1)
    return Rendering(tuple(values), opacity, depth)


def _render_grid(
    planes: TriPlane, fields: FieldWeights, rays: GridRays, padding_mode: PaddingMode
) -> Tensor:
    """Render ``(N, h, w, sum C_t + 2 G)``: all values, opacities and depths side by side."""
    batch, samples = rays.z.shape
    to_x = interpolation(rays.x, planes.xy.shape[3], padding_mode)
    to_y = interpolation(rays.y, planes.xy.shape[2], padding_mode)
    xz_to_x = interpolation(rays.x, planes.xz.shape[3], padding_mode)
    xz_to_z = interpolation(rays.z, planes.xz.shape[2], padding_mode)
    yz_to_y = interpolation(rays.y, planes.yz.shape[2], padding_mode)
    yz_to_z = interpolation(rays.z, planes.yz.shape[3], padding_mode)
    xy = torch.einsum('ncyx,jy,ix->njic', planes.xy, to_y, to_x)
    xz = torch.einsum('nczx,nkz,ix->nikc', planes.xz, xz_to_z, xz_to_x)
    yz = torch.einsum('ncyz,jy,nkz->njkc', planes.yz, yz_to_y, yz_to_z)
    weight = fields.hidden_weight.flatten(0, 1)
    xz = F.linear(xz, weight)
    yz = F.linear(yz, weight, fields.hidden_bias.flatten())

    rows = max(1, BLOCK_BYTES // (len(rays.x) * samples * len(weight) * weight.element_size()))
    blocks = [
        ((n, slice(row, row + rows)), n)
        for n in range(batch)
        for row in range(0, len(rays.y), rows)
    ]

    def block(
        xy: Tensor, yz: Tensor, xz: Tensor, delta: Tensor, depth: Tensor, *parameters: Tensor
    ) -> Tensor:
        """Render some rows of one image."""
        pre = F.linear(xy, parameters[0].flatten(0, 1))[:, :, None] + (xz + yz[:, None])
        return composite(pre, delta, depth, *parameters[1:])

    tensors: Operands = [(xy, 0), (yz, 0), (xz, 1), (rays.delta, 1), (rays.depth, 1)]
    tensors += [(parameter, None) for parameter in _parameters(fields)]
    return blockwise(block, blocks, tensors, xy.shape[:3])


def _render_points(
    planes: TriPlane, fields: FieldWeights, rays: PointRays, padding_mode: PaddingMode
) -> Tensor:
    """Render ``(N, h, w, sum C_t + 2 G)`` along arbitrary rays: look-ups of projected planes."""
    batch, height, width, samples, _ = rays.points.shape
    weight, bias = fields.hidden_weight.flatten(0, 1), fields.hidden_bias.flatten()
    projected = [F.conv2d(plane, weight[:, :, None, None]) for plane in planes]
    rows = max(1, BLOCK_BYTES // (width * samples * len(weight) * weight.element_size()))
    blocks = [
        ((n, slice(row, row + rows)), n) for n in range(batch) for row in range(0, height, rows)
    ]

    def block(
        points: Tensor, delta: Tensor, depth: Tensor, xy: Tensor, xz: Tensor, yz: Tensor,
        bias: Tensor, *parameters: Tensor,
    ) -> Tensor:  # fmt: skip
        """Render some rows of one image."""
        one = TriPlane(xy[None], xz[None], yz[None])
        pre = look_up(one, points[None], padding_mode)[0] + bias
        return composite(pre, delta, depth, *parameters)

    tensors: Operands = [(rays.points, 0), (rays.delta, 0), (rays.depth, 1)]
    tensors += [(plane, 1) for plane in projected]
    tensors += [(parameter, None) for parameter in (bias, *_parameters(fields)[1:])]
    return blockwise(block, blocks, tensors, (batch, height, width))


def _parameters(fields: FieldWeights) -> tuple[Tensor, ...]:
    """List what a block needs of the fields: their biases are in the planes already."""
    return (
        fields.hidden_weight,
        fields.density_weight,
        fields.density_bias,
        *fields.value_weights,
        *fields.value_biases,
    )


def composite(
    pre: Tensor, delta: Tensor, depth: Tensor, density_weight: Tensor, density_bias: Tensor,
    *read_outs: Tensor,
) -> Tensor:  # fmt: skip
    """Composite hidden units along rays, then read the values out.

    Args:
        pre: ``(r, w, D, (G + T) H)`` pre-activations of all fields.
        delta: Length of ray per sample, broadcastable to ``(r, w, D)``.
        depth: ``(D,)``.
        density_weight: ``(G, H)``.
        density_bias: ``(G,)``.
        *read_outs: T weights ``(C_t, H)``, then T biases ``(C_t,)``.

    Returns:
        ``(r, w, sum C_t + 2 G)``: values, opacities, depths.
    """
    num_densities, units = density_weight.shape
    num_values = len(read_outs) // 2
    hidden = F.leaky_relu(pre, NEGATIVE_SLOPE)
    of_density, of_values = hidden.split([num_densities * units, num_values * units], dim=-1)
    weights = torch.stack(
        [
            ray_weights(delta * density(part, weight, bias))
            for part, weight, bias in zip(
                of_density.split(units, dim=-1), density_weight, density_bias, strict=True
            )
        ],
        dim=-2,
    )  # (r, w, G, D)
    opacity = weights.sum(-1)
    if num_densities == 1:
        rendered = (weights @ of_values).unflatten(-1, (num_values, units)).squeeze(-3)
    else:
        rendered = torch.einsum(
            'rwtk,rwkth->rwth', weights, of_values.unflatten(-1, (num_values, units))
        )
    values = [
        F.linear(part, weight) + passed * bias
        for part, passed, weight, bias in zip(
            rendered.unbind(-2),
            opacity.expand(*opacity.shape[:-1], num_values).split(1, dim=-1),
            read_outs[:num_values],
            read_outs[num_values:],
            strict=True,
        )
    ]
    return torch.cat([*values, opacity, weights @ depth], dim=-1)


def interpolation(positions: Tensor, size: int, padding_mode: PaddingMode) -> Tensor:
    """Write linear look-up along one axis as a matrix.

    A matrix, and not a gather, because its backward pass is another matrix product: the same bits
    on every run, without atomic additions.

    Args:
        positions: ``(..., D)`` coordinates in [-1, 1].
        size: Texels s along the axis.
        padding_mode: How the axis continues outside itself.

    Returns:
        ``(..., D, s)``, at most two entries of each row are not 0.
    """
    texel = ((positions + 1) * size - 1) / 2
    if padding_mode == 'border':
        texel = texel.clamp(0, size - 1)
    index = torch.arange(size, dtype=positions.dtype, device=positions.device)
    return F.relu(1 - (texel[..., None] - index).abs())


def blockwise(
    function: Callable[..., Tensor],
    blocks: Sequence[tuple[Index, ...]],
    tensors: Operands,
    shape: Sequence[int],
) -> Tensor:
    """Compute a large result in blocks and, for its gradient, each block again.

    Like activation checkpointing, but neither pass ever holds more than one block's temporaries,
    and the gradient of a tensor that is cut into blocks is written block by block.

    Args:
        function: Maps one block of each tensor to one block of the result.
        blocks: For each block the indices that cut it out; the first of them cuts the result.
        tensors: Each tensor with the position, in the tuples of ``blocks``, of its index.
        shape: Shape of the result without its last axis, which the function decides.

    Returns:
        The result, ``(*shape, channels)``.
    """
    which = [position for _, position in tensors]
    cuts = [[... if p is None else block[p] for p in which] for block in blocks]
    targets = [block[0] for block in blocks]
    return _Blockwise.apply(function, cuts, targets, tuple(shape), *(t for t, _ in tensors))


class _Blockwise(torch.autograd.Function):
    """The autograd function behind :func:`blockwise`."""

    @staticmethod
    def forward(
        ctx: Any,
        function: Callable[..., Tensor],
        cuts: list[list[Index]],
        targets: list[Index],
        shape: tuple[int, ...],
        *tensors: Tensor,
    ) -> Tensor:
        ctx.function, ctx.cuts, ctx.targets = function, cuts, targets
        ctx.save_for_backward(*tensors)
        result = tensors[0].new_empty(0)
        for cut, target in zip(cuts, targets, strict=True):
            part = function(*(t[index] for t, index in zip(tensors, cut, strict=True)))
            if not len(result):  # only now is the number of channels known
                result = part.new_empty(*shape, part.shape[-1])
            result[target] = part
        return result

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        tensors = ctx.saved_tensors
        needed = [i for i, need in enumerate(ctx.needs_input_grad[4:]) if need]
        totals = {i: torch.zeros_like(tensors[i]) for i in needed}
        for cut, target in zip(ctx.cuts, ctx.targets, strict=True):
            parts = [t[index].detach() for t, index in zip(tensors, cut, strict=True)]
            for i in needed:
                parts[i].requires_grad_()
            with torch.enable_grad():
                part = ctx.function(*parts)
            gradients = torch.autograd.grad(part, [parts[i] for i in needed], grad[target])
            for i, gradient in zip(needed, gradients, strict=True):
                totals[i][cut[i]] += gradient
        return (None, None, None, None, *(totals.get(i) for i in range(len(tensors))))
