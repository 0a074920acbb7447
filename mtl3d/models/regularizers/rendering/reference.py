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
    hidden = [
        F.leaky_relu(F.linear(feature, weight, bias), NEGATIVE_SLOPE)
        for weight, bias in zip(fields.hidden_weight, fields.hidden_bias, strict=True)
    ]
    num_densities = len(fields.density_weight)
    weights = [
        ray_weights(rays.delta * density(h @ weight + bias))
        for h, weight, bias in zip(
            hidden[:num_densities], fields.density_weight, fields.density_bias, strict=True
        )
    ]
    values = []
    for task, h in enumerate(hidden[num_densities:]):
        value = F.linear(h, fields.value_weights[task], fields.value_biases[task])
        weight = weights[task if num_densities > 1 else 0]
        values.append(torch.einsum('nyxk,nyxkc->ncyx', weight, value))
    stacked = torch.stack(weights, dim=1)
    return Rendering(
        tuple(values), stacked.sum(-1), torch.einsum('ngyxk,nk->ngyx', stacked, rays.depth)
    )


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
