"""The yardstick: every point looked up, every field evaluated, then composited. Slow, plain."""

import torch
import torch.nn.functional as F
from torch import Tensor

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


def render(
    planes: TriPlane,
    fields: FieldWeights,
    rays: GridRays | PointRays,
    *,
    padding_mode: PaddingMode = 'zeros',
) -> Rendering:
    """Render all fields, point by point; see :func:`mtl3d.models.regularizers.rendering.render`."""
    if isinstance(rays, GridRays):
        rays = rays.as_points()
    feature = look_up(planes, rays.points, padding_mode)
    num_densities = len(fields.density_weight)
    weights = ray_weights(rays.delta[:, None] * densities(feature, fields))
    values = []
    for task, (read_out, bias) in enumerate(
        zip(fields.value_weights, fields.value_biases, strict=True)
    ):
        value = F.linear(hidden(feature, fields, num_densities + task), read_out, bias)
        weight = weights[:, task if num_densities > 1 else 0]
        values.append(torch.einsum('nyxk,nyxkc->ncyx', weight, value))
    depth = torch.einsum('ngyxk,nk->ngyx', weights, rays.depth)
    return Rendering(tuple(values), weights.sum(-1), depth)


def hidden(feature: Tensor, fields: FieldWeights, field: int) -> Tensor:
    """Evaluate the first layer of one field: ``(..., C)`` to ``(..., H)``."""
    pre = F.linear(feature, fields.hidden_weight[field], fields.hidden_bias[field])
    return F.leaky_relu(pre, NEGATIVE_SLOPE)


def densities(feature: Tensor, fields: FieldWeights) -> Tensor:
    """Evaluate all density fields at points with features ``(N, h, w, D, C)``.

    Returns:
        ``(N, G, h, w, D)``, per unit of length.
    """
    raw = [
        hidden(feature, fields, g) @ weight + bias
        for g, (weight, bias) in enumerate(
            zip(fields.density_weight, fields.density_bias, strict=True)
        )
    ]
    return density(torch.stack(raw, dim=1))


def look_up(planes: TriPlane, points: Tensor, padding_mode: PaddingMode) -> Tensor:
    """Sum the bilinear look-ups of points on the three planes.

    Args:
        planes: C channels each.
        points: ``(N, h, w, D, 3)``.
        padding_mode: How planes continue outside themselves.

    Returns:
        ``(N, h, w, D, C)``.
    """
    batch, height, width, samples, _ = points.shape
    x, y, z = points.reshape(batch, height * width, samples, 3).unbind(-1)

    def sample(plane: Tensor, column: Tensor, row: Tensor) -> Tensor:
        grid = torch.stack([column, row], dim=-1)
        return F.grid_sample(plane, grid, padding_mode=padding_mode, align_corners=False)

    feature = sample(planes.xy, x, y) + sample(planes.xz, x, z) + sample(planes.yz, z, y)
    return feature.permute(0, 2, 3, 1).reshape(batch, height, width, samples, -1)
