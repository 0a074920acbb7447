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

#: Composites hidden units; :func:`composite_grid` and :func:`composite_points` say how.
Composite = Callable[..., tuple[Tensor, Tensor]]


def composite_grid(
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
    return _unpacked(packed, [num_values, units], [num_densities, samples])


def composite_points(
    planes: TriPlane, bias: Tensor, density_weight: Tensor, density_bias: Tensor, points: Tensor,
    delta: Tensor, padding_mode: PaddingMode,
) -> tuple[Tensor, Tensor]:  # fmt: skip
    """Composite hidden units along arbitrary rays.

    Args:
        planes: Projected planes ``(N, G + T, rows, columns, H)``, the density fields first.
        bias: ``(G + T, H)``, added to the sum of the look-ups.
        density_weight: ``(G, H)``.
        density_bias: ``(G,)``.
        points: ``(N, h, w, D, 3)``.
        delta: ``(N, h, w, D)`` length of ray per sample.
        padding_mode: How planes continue outside themselves.

    Returns:
        Composited hidden units ``(N, T, h, w, H)``, and the weights of all samples
        ``(N, G, h, w, D)``.
    """
    num_densities, units = density_weight.shape
    num_values = len(bias) - num_densities

    def rows(points: Tensor, delta: Tensor, *shared: Tensor) -> Tensor:
        """Composite some rows of one image: ``(rows, w, D, 3)`` in, ``(rows, w, ...)`` out."""
        *planes, bias, density_weight, density_bias = shared
        stacked = TriPlane(*(plane.permute(0, 3, 1, 2).flatten(0, 1)[None] for plane in planes))
        pre = look_up(stacked, points[None], padding_mode)[0].unflatten(-1, bias.shape) + bias
        hidden = F.leaky_relu(pre, NEGATIVE_SLOPE)
        of_density, of_values = hidden.split([num_densities, num_values], dim=-2)
        raw = torch.einsum('rwkgh,gh->rwgk', of_density, density_weight) + density_bias[:, None]
        weights = ray_weights(delta[:, :, None] * density(raw))
        composited = torch.einsum(
            'rwtk,rwkth->rwth', weights.expand(-1, -1, num_values, -1), of_values
        )
        return torch.cat([composited.flatten(2), weights.flatten(2)], dim=-1)

    width, samples = points.shape[2:4]
    step = max(1, POINT_BYTES // (width * samples * bias.numel() * bias.element_size()))
    blocks = [slice(row, row + step) for row in range(0, points.shape[1], step)]
    packed = torch.stack(
        [
            blockwise(
                rows,
                blocks,
                [points[n], delta[n]],
                [*(plane[n] for plane in planes), bias, density_weight, density_bias],
                points.shape[1:2],
            )
            for n in range(len(points))
        ]
    )
    return _unpacked(packed, [num_values, units], [num_densities, samples])


def _unpacked(packed: Tensor, first: list[int], second: list[int]) -> tuple[Tensor, Tensor]:
    """Split ``(N, h, w, a b + c d)`` into ``(N, a, h, w, b)`` and ``(N, c, h, w, d)``."""
    one, other = packed.split([first[0] * first[1], second[0] * second[1]], dim=-1)
    return (
        one.unflatten(-1, first).permute(0, 3, 1, 2, 4),
        other.unflatten(-1, second).permute(0, 3, 1, 2, 4),
    )


def render(
    planes: TriPlane,
    fields: FieldWeights,
    rays: GridRays | PointRays,
    *,
    padding_mode: PaddingMode = 'zeros',
    grid: Composite = composite_grid,
    points: Composite = composite_points,
) -> Rendering:
    """Render all fields; see :func:`mtl3d.models.regularizers.rendering.render`.

    Args:
        planes: As there.
        fields: As there.
        rays: As there.
        padding_mode: As there.
        grid: What composites the rays of a grid.
        points: What composites arbitrary rays.
    """
    if isinstance(rays, GridRays):
        maps = _render_grid(planes, fields, rays, padding_mode, grid)
    else:
        maps = _render_points(planes, fields, rays, padding_mode, points)
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

    return _in_image_blocks(images, [xy, xz, yz], [rays.delta, rays.depth], fields)


def _render_points(
    planes: TriPlane,
    fields: FieldWeights,
    rays: PointRays,
    padding_mode: PaddingMode,
    composite: Composite,
) -> Tensor:
    """Render ``(N, sum C_t + 2 G, h, w)`` along arbitrary rays: look-ups of projected planes."""

    def images(
        xy: Tensor, xz: Tensor, yz: Tensor, points: Tensor, delta: Tensor, depth: Tensor,
        *parameters: Tensor,
    ) -> Tensor:  # fmt: skip
        """Render some images."""
        hidden_weight, hidden_bias, density_weight, density_bias, *read_outs = parameters
        projected = TriPlane(*(project(plane, hidden_weight) for plane in (xy, xz, yz)))
        hidden, weights = composite(
            projected, hidden_bias, density_weight, density_bias, points, delta, padding_mode
        )
        return read_out(hidden, weights, depth, *read_outs)

    return _in_image_blocks(
        images,
        [plane.permute(0, 2, 3, 1) for plane in planes],
        [rays.points, rays.delta, rays.depth],
        fields,
    )


def _in_image_blocks(
    images: Callable[..., Tensor],
    features: list[Tensor],
    rays: list[Tensor],
    fields: FieldWeights,
) -> Tensor:
    """Render as many images at a time as their projected planes fit into :data:`PLANE_BYTES`.

    Args:
        images: Renders some images from their features, rays and the parameters of the fields.
        features: Three planes ``(N, a, b, C)``, to be projected.
        rays: What else belongs to an image, ``(N, ...)``.
        fields: The fields.
    """
    texels = sum(plane[0, ..., 0].numel() for plane in features)
    image_bytes = texels * fields.hidden_bias.numel() * fields.hidden_bias.element_size()
    step = max(1, PLANE_BYTES // image_bytes)
    batch = len(features[0])
    return blockwise(
        images,
        [slice(n, n + step) for n in range(0, batch, step)],
        [*features, *rays],
        [*fields[:4], *fields.value_weights, *fields.value_biases],
        (batch,),
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
    opacities = opacity.expand(-1, num_values, -1, -1)
    expected = torch.einsum('ngyxk,nk->ngyx', weights, depth)
    values = [
        torch.einsum('nyxh,ch->ncyx', hidden[:, t], read_outs[t])
        + read_outs[num_values + t][:, None, None] * opacities[:, t, None]
        for t in range(num_values)
    ]
    return torch.cat([*values, opacity, expected], dim=1)
