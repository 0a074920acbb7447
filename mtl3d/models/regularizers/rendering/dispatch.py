"""One entrance to all renderers."""

from typing import Literal, get_args

import torch
from torch import Tensor

from mtl3d.models.regularizers.rendering import reference, separable
from mtl3d.models.regularizers.rendering.scene import (
    FieldWeights,
    GridRays,
    PaddingMode,
    PointRays,
    Rendering,
    TriPlane,
)

Backend = Literal['auto', 'reference', 'separable']
BACKENDS: tuple[str, ...] = get_args(Backend)
_RENDERERS = {'reference': reference.render, 'separable': separable.render}


def render(
    planes: TriPlane,
    fields: FieldWeights,
    rays: GridRays | PointRays,
    *,
    backend: Backend = 'auto',
    padding_mode: PaddingMode = 'zeros',
) -> Rendering:
    """Render every value field along every ray, with the fields' own densities.

    Args:
        planes: The features, N images, C channels.
        fields: The fields, reading C channels.
        rays: N images of ``(h, w)`` rays with D samples each.
        backend: ``reference`` goes point by point; ``separable`` does the same sum without its
            waste; ``auto`` takes the fastest that works here.
        padding_mode: How planes continue outside themselves.

    Returns:
        The rendering, in float32 (or float64 where the planes are), also under autocast: weights
        along a ray are differences of nearly equal numbers.

    Raises:
        ValueError: No value field, an unknown backend, or shapes that do not fit together.
    """
    _check(planes, fields, rays, backend)
    with torch.autocast(planes.xy.device.type, enabled=False):
        return _RENDERERS['separable' if backend == 'auto' else backend](
            TriPlane(*map(_accurate, planes)),
            FieldWeights(
                _accurate(fields.hidden_weight),
                _accurate(fields.hidden_bias),
                _accurate(fields.density_weight),
                _accurate(fields.density_bias),
                tuple(map(_accurate, fields.value_weights)),
                tuple(map(_accurate, fields.value_biases)),
            ),
            rays,
            padding_mode=padding_mode,
        )


def _accurate(tensor: Tensor) -> Tensor:
    return tensor if tensor.dtype == torch.float64 else tensor.float()


def _check(
    planes: TriPlane, fields: FieldWeights, rays: GridRays | PointRays, backend: str
) -> None:
    if backend not in BACKENDS:
        raise ValueError(f"backend='{backend}': valid are {', '.join(BACKENDS)}")
    densities, values = len(fields.density_weight), len(fields.value_weights)
    if values == 0:
        raise ValueError('value_weights=() : there is no value field to render')
    if densities not in (1, values):
        raise ValueError(f'{densities} densities for {values} values: give one, or one per value')
    if len(fields.hidden_weight) != densities + values:
        raise ValueError(
            f'hidden_weight has {len(fields.hidden_weight)} fields, but there are {densities} '
            f'densities and {values} values'
        )
    if planes.xy.shape[1] != fields.hidden_weight.shape[2]:
        raise ValueError(
            f'planes have {planes.xy.shape[1]} channels, the fields read '
            f'{fields.hidden_weight.shape[2]}'
        )
    if len(planes.xy) != len(rays.delta):
        raise ValueError(f'planes of {len(planes.xy)} images, rays of {len(rays.delta)}')
