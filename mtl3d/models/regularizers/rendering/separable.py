"""The same rendering without its waste: three exact identities, and a bounded memory.

1. Project, then sample. Look-up and sum of planes are linear, hence a field's first layer acts on
   plane texels, once each, instead of on points.
2. Rays along z separate: the pre-activation of sample k of the ray (j, i) is
   ``xy[j, i] + xz[i, k] + yz[j, k]``, a broadcast sum of three small maps; no point is looked up.
3. Render, then read out. The second layer is linear, hence it acts on composited hidden units,
   once per ray: ``sum_k w_k (W phi_k + b) = W (sum_k w_k phi_k) + b sum_k w_k``.

What is left per point is two additions, a LeakyReLU, one dot product for the density and one
multiply-add per hidden unit: the *composite*. Here it is plain torch, over blocks of rays that fit
into the cache; ``numba_kernels`` and ``triton_kernels`` have it as one loop.
"""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from mtl3d.models.regularizers.rendering.blockwise import blockwise
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

#: Bytes of projected planes that are held at a time (then come the next images).
PLANE_BYTES = 32 * 2**20
#: Bytes of pre-activations that the plain composite holds at a time (then come the next rows).
POINT_BYTES = 4 * 2**20

#: Composites hidden units along the rays of a grid; :func:`composite` says what it is given.
Composite = Callable[..., tuple[Tensor, Tensor]]


def composite(
    xy: Tensor, xz: Tensor, yz: Tensor, density_weight: Tensor, density_bias: Tensor, delta: Tensor
) -> tuple[Tensor, Tensor]:
    """Composite the hidden units of T value fields with the weights of G density fields.

    The pre-activations of field f at sample k of the ray (j, i) are
    ``xy[:, f, j, i] + xz[:, f, i, k] + yz[:, f, j, k]``; the density fields come first.

    Args:
        xy: ``(N, G + T, h, w, H)``.
        xz: ``(N, G + T, w, D, H)``.
        yz: ``(N, G + T, h, D, H)``.
        density_weight: ``(G, H)``.
        density_bias: ``(G,)``.
        delta: ``(N, D)`` length of ray per sample.

    Returns:
        Composited hidden units ``(N, T, h, w, H)``, and the weights of all samples
        ``(N, G, h, w, D)``.
    """
    num_densities, units = density_weight.shape
    num_values = xy.shape[1] - num_densities
    samples = xz.shape[3]

    def rows(xy: Tensor, yz: Tensor, xz: Tensor, delta: Tensor, *read_out: Tensor) -> Tensor:
        """Composite some rows of one image: ``(rows, F, ..., H)`` in, ``(rows, w, ...)`` out."""

        def hidden(field: int) -> Tensor:
            pre = xy[:, field, :, None] + (xz[field] + yz[:, field, None])
            return F.leaky_relu(pre, NEGATIVE_SLOPE)

        weights = [
            ray_weights(delta * density(hidden(g) @ weight + bias))
            for g, (weight, bias) in enumerate(zip(*read_out, strict=True))
        ]
        composited = [
            (weights[t if num_densities > 1 else 0][..., None, :] @ hidden(num_densities + t))
            for t in range(num_values)
        ]
        return torch.cat([*(c.squeeze(-2) for c in composited), *weights], dim=-1)

    rays_bytes = xy[0, :, 0].numel() * samples * xy.element_size()
    step = max(1, POINT_BYTES // rays_bytes)
    blocks = [slice(row, row + step) for row in range(0, xy.shape[2], step)]
    packed = torch.stack(
        [
            blockwise(
                rows,
                blocks,
                [xy[n].transpose(0, 1), yz[n].transpose(0, 1)],
                [xz[n], delta[n], density_weight, density_bias],
                xy.shape[2:3],
            )
            for n in range(len(xy))
        ]
    )
    hidden, weights = packed.split([num_values * units, num_densities * samples], dim=-1)
    return (
        hidden.unflatten(-1, (num_values, units)).permute(0, 3, 1, 2, 4),
        weights.unflatten(-1, (num_densities, samples)).permute(0, 3, 1, 2, 4),
    )


def render(
    planes: TriPlane,
    fields: FieldWeights,
    rays: GridRays | PointRays,
    *,
    padding_mode: PaddingMode = 'zeros',
    composite: Composite = composite,
) -> Rendering:
    """Render all fields; see :func:`mtl3d.models.regularizers.rendering.render`.

    ``composite`` is what composites the rays of a grid.
    """
    if isinstance(rays, GridRays):
        maps = _render_grid(planes, fields, rays, padding_mode, composite)
    else:
        maps = _render_points(planes, fields, rays, padding_mode)
    channels = [len(bias) for bias in fields.value_biases]
    num_densities = len(fields.density_bias)
    *values, opacity, depth = maps.split([*channels, num_densities, num_densities], dim=1)
    return Rendering(tuple(values), opacity, depth)


def _render_grid(
    planes: TriPlane,
    fields: FieldWeights,
    rays: GridRays,
    padding_mode: PaddingMode,
    composite: Composite,
) -> Tensor:
    """Render ``(N, sum C_t + 2 G, h, w)``: all values, opacities and depths side by side."""

    def matrix(positions: Tensor, plane: Tensor, axis: int) -> Tensor:
        return interpolation(positions, plane.shape[axis], padding_mode)

    xy, xz, yz = planes
    xy = torch.einsum('ncyx,jy,ix->njic', xy, matrix(rays.y, xy, 2), matrix(rays.x, xy, 3))
    xz = torch.einsum('nczx,nkz,ix->nikc', xz, matrix(rays.z, xz, 2), matrix(rays.x, xz, 3))
    yz = torch.einsum('ncyz,jy,nkz->njkc', yz, matrix(rays.y, yz, 2), matrix(rays.z, yz, 3))

    def images(
        xy: Tensor, xz: Tensor, yz: Tensor, delta: Tensor, depth: Tensor, *parameters: Tensor
    ) -> Tensor:
        """Render some images from their looked-up planes."""
        hidden_weight, hidden_bias, density_weight, density_bias, *read_outs = parameters
        hidden, weights = composite(
            project(xy, hidden_weight),
            project(xz, hidden_weight),
            project(yz, hidden_weight, hidden_bias),
            density_weight,
            density_bias,
            delta,
        )
        return read_out(hidden, weights, depth, *read_outs)

    texels = sum(plane[0, ..., 0].numel() for plane in (xy, xz, yz))
    image_bytes = texels * fields.hidden_weight[..., 0].numel() * xy.element_size()
    step = max(1, PLANE_BYTES // image_bytes)
    return blockwise(
        images,
        [slice(n, n + step) for n in range(0, len(xy), step)],
        [xy, xz, yz, rays.delta, rays.depth],
        [*fields[:4], *fields.value_weights, *fields.value_biases],
        xy.shape[:1],
    )


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


def project(feature: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """Apply the first layer of all fields to texels.

    Args:
        feature: ``(n, a, b, C)``.
        weight: ``(G + T, H, C)``.
        bias: ``(G + T, H)``.

    Returns:
        ``(n, G + T, a, b, H)``, contiguous.
    """
    projected = feature.flatten(1, 2)[:, None] @ weight.mT
    if bias is not None:
        projected = projected + bias[:, None]
    return projected.unflatten(2, feature.shape[1:3])


def read_out(hidden: Tensor, weights: Tensor, depth: Tensor, *read_outs: Tensor) -> Tensor:
    """Apply the second layer of the value fields to composited hidden units.

    Args:
        hidden: ``(n, T, h, w, H)``.
        weights: ``(n, G, h, w, D)``.
        depth: ``(n, D)``.
        *read_outs: T weights ``(C_t, H)``, then T biases ``(C_t,)``.

    Returns:
        ``(n, sum C_t + 2 G, h, w)``: values, opacities, depths.
    """
    num_values = hidden.shape[1]
    opacity = weights.sum(-1)
    expected = torch.einsum('ngyxk,nk->ngyx', weights, depth)
    values = [
        torch.einsum('nyxh,ch->ncyx', hidden[:, t], read_outs[t])
        + read_outs[num_values + t][:, None, None] * opacity[:, [t if opacity.shape[1] > 1 else 0]]
        for t in range(num_values)
    ]
    return torch.cat([*values, opacity, expected], dim=1)


def _render_points(
    planes: TriPlane, fields: FieldWeights, rays: PointRays, padding_mode: PaddingMode
) -> Tensor:
    """Render ``(N, sum C_t + 2 G, h, w)`` along arbitrary rays: look-ups of projected planes."""
    num_densities, units = fields.density_weight.shape
    num_values = len(fields.value_weights)
    width, samples = rays.points.shape[2:4]

    def rows(
        points: Tensor, delta: Tensor, xy: Tensor, xz: Tensor, yz: Tensor, bias: Tensor,
        *read_out: Tensor,
    ) -> Tensor:  # fmt: skip
        """Composite some rows of one image: ``(rows, w, D, 3)`` in, ``(rows, w, ...)`` out."""
        pre = look_up(TriPlane(xy, xz, yz), points[None], padding_mode)[0] + bias
        of_density, of_values = F.leaky_relu(pre, NEGATIVE_SLOPE).split(
            [num_densities * units, num_values * units], dim=-1
        )
        weights = torch.stack(
            [
                ray_weights(delta * density(hidden @ weight + bias))
                for hidden, weight, bias in zip(
                    of_density.split(units, dim=-1), *read_out, strict=True
                )
            ],
            dim=2,
        )
        of_values = of_values.unflatten(-1, (num_values, units)).transpose(2, 3)
        hidden = (weights[..., None, :] @ of_values).squeeze(-2)
        return torch.cat([hidden.flatten(2), weights.flatten(2)], dim=-1)

    weight = fields.hidden_weight.flatten(0, 1)[:, :, None, None]
    projected = [F.conv2d(plane, weight) for plane in planes]
    step = max(1, POINT_BYTES // (width * samples * len(weight) * weight.element_size()))
    blocks = [slice(row, row + step) for row in range(0, rays.points.shape[1], step)]
    shared = [fields.hidden_bias.flatten(), fields.density_weight, fields.density_bias]
    packed = torch.stack(
        [
            blockwise(
                rows,
                blocks,
                [rays.points[n], rays.delta[n]],
                [*(plane[n : n + 1] for plane in projected), *shared],
                rays.points.shape[1:2],
            )
            for n in range(len(rays.points))
        ]
    )
    hidden, weights = packed.split([num_values * units, num_densities * samples], dim=-1)
    return read_out(
        hidden.unflatten(-1, (num_values, units)).permute(0, 3, 1, 2, 4),
        weights.unflatten(-1, (num_densities, samples)).permute(0, 3, 1, 2, 4),
        rays.depth,
        *fields.value_weights,
        *fields.value_biases,
    )
