"""One entrance to all renderers."""

from collections.abc import Callable
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from typing import Literal, get_args

import torch
from mmengine.logging import print_log
from torch import Tensor

from mtl3d.models.regularizers.rendering.scene import (
    FieldWeights,
    GridRays,
    PaddingMode,
    PointRays,
    Rendering,
    TriPlane,
)

Backend = Literal['auto', 'reference', 'separable', 'numba', 'triton']
BACKENDS: tuple[str, ...] = get_args(Backend)


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
        backend: ``reference`` goes point by point; ``separable`` computes the same sums without
            their waste, in plain torch; ``numba`` (CPU) and ``triton`` (CUDA) have its inner part
            compiled; ``auto`` takes the fastest that works for these tensors.
        padding_mode: How planes continue outside themselves.

    Returns:
        The rendering, in float32 (or float64 where the planes are), also under autocast: weights
        along a ray are differences of nearly equal numbers.

    Raises:
        ValueError: No value field, an unknown backend or one that cannot work here, or shapes that
            do not fit together.
    """
    _check(planes, fields, rays)
    chosen = renderer(choose_backend(backend, planes.xy.device.type))
    with torch.autocast(planes.xy.device.type, enabled=False):
        return chosen(
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


def choose_backend(backend: Backend, device: str) -> str:
    """Decide which renderer to take.

    Args:
        backend: What the user asks for.
        device: Type of the tensors' device, as ``cpu``.

    Returns:
        The name of a renderer that works for tensors of that device.

    Raises:
        ValueError: The backend is unknown, or cannot work there; the message says why.
    """
    if backend not in BACKENDS:
        raise ValueError(f"backend='{backend}': valid are {', '.join(BACKENDS)}")
    if backend == 'auto':
        compiled = 'numba' if device == 'cpu' else 'triton'
        reason = _obstacle(compiled, device)
        if reason is None:
            return compiled
        _tell_once(f"The regularizer renders with backend 'separable': {reason}.")
        return 'separable'
    if reason := _obstacle(backend, device):
        raise ValueError(f"backend='{backend}': {reason}")
    return backend


def _obstacle(backend: str, device: str) -> str | None:
    """Say why a backend cannot render tensors of a device, or None if it can."""
    if backend == 'numba' and device != 'cpu':
        return f'numba renders on the CPU, but the planes are on {device}'
    if backend == 'triton' and find_spec('triton') is None:
        return 'Triton is not installed'
    if backend == 'triton' and device != 'cuda' and not _triton_is_interpreted():
        return f'Triton renders on CUDA devices, but the planes are on {device}'
    return None


def _triton_is_interpreted() -> bool:
    from triton import knobs

    return knobs.runtime.interpret


@cache
def _tell_once(message: str) -> None:
    print_log(message, 'current')


def renderer(backend: str) -> Callable[..., Rendering]:
    """Import a renderer only when it is used: compilers are slow to import, or not installed.

    Args:
        backend: Any but ``auto``.

    Returns:
        What :func:`render` calls, for tensors that it has checked and brought to its precision.
    """
    suffix = '_kernels' if backend in ('numba', 'triton') else ''
    return import_module(f'{__package__}.{backend}{suffix}').render


def _accurate(tensor: Tensor) -> Tensor:
    return tensor if tensor.dtype == torch.float64 else tensor.float()


def _check(planes: TriPlane, fields: FieldWeights, rays: GridRays | PointRays) -> None:
    densities, values = len(fields.density_weight), len(fields.value_weights)
    if values == 0:
        raise ValueError('value_weights=(): there is no value field to render')
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
