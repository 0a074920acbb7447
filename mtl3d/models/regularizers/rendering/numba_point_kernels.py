"""Arbitrary rays on the CPU: twelve texels per point, four on each of the three projected planes.

The three loops of ``two_sums``, over a scene of the texels ``(n, f, S, H)`` of all planes and the
bias ``(f, H)``. Which texels a point reads, and with what weights, is the same for all fields and
computed once. Points that stand for no length of ray are skipped.

Parallel over images and fields, each of which has its own memory: results do not depend on timing.
"""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import product
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from mtl3d.models.regularizers.rendering.compiled import compiled
from mtl3d.models.regularizers.rendering.scene import NEGATIVE_SLOPE, PaddingMode, TriPlane
from mtl3d.models.regularizers.rendering.two_sums import Sums, composite


class _Taps(NamedTuple):
    """What the points of N images read from the texels of the three planes, one after the other.

    Attributes:
        texel: ``(N, h, w, D, 12)`` int32.
        weight: ``(N, h, w, D, 12)``.
        seen: ``(N, h, w, D)`` bool; other points are skipped.
    """

    texel: Tensor
    weight: Tensor
    seen: Tensor


def composite_points(
    planes: TriPlane, bias: Tensor, density_weight: Tensor, density_bias: Tensor, points: Tensor,
    delta: Tensor, padding_mode: PaddingMode,
) -> tuple[Tensor, Tensor]:  # fmt: skip
    """Composite hidden units along arbitrary rays; see ``separable.composite_points``.

    Args:
        planes: Projected planes ``(N, G + T, rows, columns, H)`` on the CPU.
        bias: ``(G + T, H)``.
        density_weight: ``(G, H)``.
        density_bias: ``(G,)``.
        points: ``(N, h, w, D, 3)``.
        delta: ``(N, h, w, D)``.
        padding_mode: How planes continue outside themselves.

    Returns:
        ``(N, T, h, w, H)`` and ``(N, G, h, w, D)``.
    """
    num = len(density_weight), len(bias) - len(density_weight)
    taps = _find_taps(planes, points, delta, padding_mode)
    texels = torch.cat([plane.flatten(2, 3) for plane in planes], dim=2)
    of_density, of_values = zip(texels.split(num, dim=1), bias.split(num), strict=True)
    sums = Sums(
        partial(_sum_over_units, taps), partial(_sum_over_samples, taps), partial(_gradients, taps)
    )
    return composite(sums, of_density, of_values, num[1], density_weight, density_bias, delta)


def _find_taps(planes: TriPlane, points: Tensor, delta: Tensor, padding_mode: PaddingMode) -> _Taps:
    """Find the twelve texels of each point; those outside of a plane weigh nothing."""
    x, y, z = points.unbind(-1)
    indices, weights, offset = [], [], 0
    for plane, row, column in zip(planes, (y, z, y), (x, x, z), strict=True):
        rows, columns = plane.shape[2:4]
        for r, r_weight in _linear_taps(row, rows, padding_mode):
            for c, c_weight in _linear_taps(column, columns, padding_mode):
                indices.append(offset + r * columns + c)
                weights.append(r_weight * c_weight)
        offset += rows * columns
    return _Taps(torch.stack(indices, -1), torch.stack(weights, -1), delta != 0)


def _linear_taps(
    position: Tensor, size: int, padding_mode: PaddingMode
) -> list[tuple[Tensor, Tensor]]:
    """Index and weight of the two texels of a linear look-up along one axis."""
    texel = ((position + 1) * size - 1) / 2
    if padding_mode == 'border':
        texel = texel.clamp(0, size - 1)
    low = texel.clamp(-2, size + 1).floor()  # what lies farther out is as empty
    taps = []
    for index, weight in ((low, low + 1 - texel), (low + 1, texel - low)):
        inside = (index >= 0) & (index < size)
        taps.append((index.clamp(0, size - 1).int(), torch.where(inside, weight, 0)))
    return taps


def _sum_over_units(taps: _Taps, scene: Sequence[Tensor], u: Tensor) -> Tensor:
    texels, bias = scene
    out = texels.new_zeros(*u.shape[:4], taps.seen.shape[3])
    _in_parallel(_sum_over_units_loop, taps, bias, texels, u, out)
    return out


def _sum_over_samples(taps: _Taps, scene: Sequence[Tensor], s: Tensor) -> Tensor:
    texels, bias = scene
    out = texels.new_zeros(*s.shape[:4], texels.shape[-1])
    _in_parallel(_sum_over_samples_loop, taps, bias, texels, s, out)
    return out


def _gradients(taps: _Taps, scene: Sequence[Tensor], s: Tensor, u: Tensor) -> tuple[Tensor, Tensor]:
    texels, bias = scene
    d_texels = texels.new_zeros(texels.shape)
    d_bias = bias.new_zeros(len(texels), *bias.shape)
    _in_parallel(_gradients_loop, taps, bias, texels, s, u, d_texels, d_bias)
    return d_texels, d_bias.sum(0)


def _in_parallel(
    loop: Callable[..., None], taps: _Taps, bias: Tensor, texels: Tensor, *tensors: Tensor
) -> None:
    """Run a loop over each image and field.

    Args:
        loop: Takes the taps of an image, the bias of a field, and the arrays of both, rays and
            samples as one axis each.
        taps: The taps.
        bias: ``(f, H)``.
        texels: ``(n, f, S, H)``.
        *tensors: ``(n, f, ...)``, with the rays in two axes ``(h, w)`` unless they have none.
    """
    where = [tap.flatten(1, 2).numpy() for tap in taps]
    of_field = bias.detach().contiguous().numpy()
    arrays = [texels.detach().contiguous().numpy()]
    for tensor in tensors:
        flat = tensor.detach().contiguous()
        arrays.append((flat.flatten(2, 3) if flat.ndim == 5 else flat).numpy())

    def run(job: tuple[int, int]) -> None:
        image, field = job
        loop(*(w[image] for w in where), of_field[field], *(a[image, field] for a in arrays))

    jobs = product(range(len(texels)), range(texels.shape[1]))
    with ThreadPoolExecutor(torch.get_num_threads()) as pool:
        list(pool.map(run, jobs))


@compiled
def _pre(texel, weight, bias, texels, pre):  # type: ignore[no-untyped-def]
    """Compute the pre-activations of one point; four texels at a time keep the loop simple."""
    for h in range(len(pre)):
        pre[h] = bias[h]
    for t in range(0, 12, 4):
        one, two = texels[texel[t]], texels[texel[t + 1]]
        three, four = texels[texel[t + 2]], texels[texel[t + 3]]
        a, b, c, d = weight[t], weight[t + 1], weight[t + 2], weight[t + 3]
        for h in range(len(pre)):
            pre[h] += a * one[h] + b * two[h] + c * three[h] + d * four[h]


@compiled
def _sum_over_units_loop(texel, weight, seen, bias, texels, u, out):  # type: ignore[no-untyped-def]
    slope = texels.dtype.type(NEGATIVE_SLOPE)
    pre = np.empty_like(bias)
    for ray in range(seen.shape[0]):
        u_row = u[ray]
        for k in range(seen.shape[1]):
            if seen[ray, k]:
                _pre(texel[ray, k], weight[ray, k], bias, texels, pre)
                total = slope * 0
                for h in range(len(pre)):
                    leaked = slope * pre[h]
                    total += (pre[h] if pre[h] > leaked else leaked) * u_row[h]
                out[ray, k] = total


@compiled
def _sum_over_samples_loop(texel, weight, seen, bias, texels, s, out):  # type: ignore[no-untyped-def]
    slope = texels.dtype.type(NEGATIVE_SLOPE)
    pre = np.empty_like(bias)
    for ray in range(seen.shape[0]):
        out_row = out[ray]
        for k in range(seen.shape[1]):
            if seen[ray, k]:
                _pre(texel[ray, k], weight[ray, k], bias, texels, pre)
                share = s[ray, k]
                for h in range(len(pre)):
                    leaked = slope * pre[h]
                    out_row[h] += (pre[h] if pre[h] > leaked else leaked) * share


@compiled
def _gradients_loop(texel, weight, seen, bias, texels, s, u, d_texels, d_bias):  # type: ignore[no-untyped-def]
    slope = texels.dtype.type(NEGATIVE_SLOPE)
    pre = np.empty_like(bias)
    for ray in range(seen.shape[0]):
        u_row = u[ray]
        for k in range(seen.shape[1]):
            if seen[ray, k]:
                _pre(texel[ray, k], weight[ray, k], bias, texels, pre)
                share = s[ray, k]
                leaked = slope * share
                for h in range(len(pre)):
                    pre[h] = u_row[h] * (share if pre[h] > 0 else leaked)
                    d_bias[h] += pre[h]
                for t in range(12):
                    part, row = weight[ray, k, t], d_texels[texel[ray, k, t]]
                    for h in range(len(pre)):
                        row[h] += part * pre[h]
