"""Arbitrary rays on the CPU: twelve texels per point, four on each of the three projected planes.

Which texels a point reads, and with what weights, is the same for all fields and computed once.
Points that stand for no length of ray are skipped.

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
from mtl3d.models.regularizers.rendering.fieldwise import Sums, Walk
from mtl3d.models.regularizers.rendering.scene import (
    NEGATIVE_SLOPE,
    PaddingMode,
    PointRays,
    texel_positions,
)


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


def point_walk(
    rays: PointRays, sizes: Sequence[tuple[int, int]], padding_mode: PaddingMode
) -> Walk:
    """Walk along arbitrary rays; see ``fieldwise.Kernels``."""
    taps = _find_taps(rays, sizes, padding_mode)
    return Walk(partial(_over_units, taps), partial(_over_samples, taps), partial(_back, taps))


def _find_taps(
    rays: PointRays, sizes: Sequence[tuple[int, int]], padding_mode: PaddingMode
) -> _Taps:
    """Find the twelve texels of each point; those outside of a plane weigh nothing."""
    x, y, z = rays.points.unbind(-1)
    indices, weights, offset = [], [], 0
    for (rows, columns), row, column in zip(sizes, (y, z, y), (x, x, z), strict=True):
        for r, r_weight in _linear_taps(row, rows, padding_mode):
            for c, c_weight in _linear_taps(column, columns, padding_mode):
                indices.append(offset + r * columns + c)
                weights.append(r_weight * c_weight)
        offset += rows * columns
    return _Taps(torch.stack(indices, -1), torch.stack(weights, -1), rays.delta != 0)


def _linear_taps(
    position: Tensor, size: int, padding_mode: PaddingMode
) -> list[tuple[Tensor, Tensor]]:
    """Index and weight of the two texels of a linear look-up along one axis."""
    texel = texel_positions(position, size, padding_mode)
    low = texel.clamp(-2, size + 1).floor()  # what lies farther out is as empty
    taps = []
    for index, weight in ((low, low + 1 - texel), (low + 1, texel - low)):
        inside = (index >= 0) & (index < size)
        taps.append((index.clamp(0, size - 1).int(), torch.where(inside, weight, 0)))
    return taps


def _over_units(taps: _Taps, texels: Tensor, bias: Tensor, u: Tensor) -> Tensor:
    out = texels.new_zeros(len(texels), *taps.seen.shape)
    _in_parallel(_over_units_loop, taps, bias, texels, _per_ray(u, out), out)
    return out


def _over_samples(taps: _Taps, texels: Tensor, bias: Tensor, s: Tensor) -> Tensor:
    out = texels.new_zeros(len(texels), *taps.seen.shape[:3], texels.shape[-1])
    _in_parallel(_over_samples_loop, taps, bias, texels, _per_ray(s, out), out)
    return out


def _back(taps: _Taps, texels: Tensor, bias: Tensor, s: Tensor, u: Tensor) -> Sums:
    over_units = texels.new_zeros(len(texels), *taps.seen.shape)
    over_samples = texels.new_zeros(*over_units.shape[:4], texels.shape[-1])
    s, u = _per_ray(s, over_units), _per_ray(u, over_units)
    d_texels = torch.zeros_like(texels)
    d_bias = bias.new_zeros(*texels.shape[:2], bias.shape[1])
    _in_parallel(_back_loop, taps, bias, texels, s, u, over_units, over_samples, d_texels, d_bias)
    return Sums(over_units, over_samples, d_texels, d_bias.sum(1))


def _per_ray(tensor: Tensor, like: Tensor) -> Tensor:
    """Repeat what fields or rays share: to the ``(f, N, h, w)`` of another tensor."""
    return tensor.expand(*like.shape[:4], -1)


def _in_parallel(
    loop: Callable[..., None], taps: _Taps, bias: Tensor, texels: Tensor, *tensors: Tensor
) -> None:
    """Run a loop over each field and image.

    Args:
        loop: Takes the taps of an image, the bias of a field, and the arrays of both, rays and
            samples as one axis each.
        taps: The taps.
        bias: ``(f, H)``.
        texels: ``(f, N, S, H)``.
        *tensors: ``(f, N, ...)``, with the rays in two axes ``(h, w)`` unless they have none; those
            that a loop writes are contiguous per field and image.
    """
    where = [tap.flatten(1, 2).numpy() for tap in taps]
    of_field = bias.detach().contiguous().numpy()

    def run(job: tuple[int, int]) -> None:
        field, image = job
        arrays = [t[field, image].detach().contiguous() for t in (texels, *tensors)]
        flat = [(a.flatten(0, 1) if a.ndim == 3 else a).numpy() for a in arrays]
        loop(*(w[image] for w in where), of_field[field], *flat)

    jobs = product(range(texels.shape[0]), range(texels.shape[1]))
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
def _over_units_loop(texel, weight, seen, bias, texels, u, out):  # type: ignore[no-untyped-def]
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
def _over_samples_loop(texel, weight, seen, bias, texels, s, out):  # type: ignore[no-untyped-def]
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
def _back_loop(  # type: ignore[no-untyped-def]
    texel, weight, seen, bias, texels, s, u, over_units, over_samples, d_texels, d_bias
):
    slope = texels.dtype.type(NEGATIVE_SLOPE)
    pre = np.empty_like(bias)
    for ray in range(seen.shape[0]):
        u_row, out_row = u[ray], over_samples[ray]
        for k in range(seen.shape[1]):
            if seen[ray, k]:
                _pre(texel[ray, k], weight[ray, k], bias, texels, pre)
                share = s[ray, k]
                leaked_share = slope * share
                total = slope * 0
                for h in range(len(pre)):
                    leaked = slope * pre[h]
                    phi = pre[h] if pre[h] > leaked else leaked
                    total += phi * u_row[h]
                    out_row[h] += phi * share
                    pre[h] = u_row[h] * (share if pre[h] > 0 else leaked_share)
                    d_bias[h] += pre[h]
                over_units[ray, k] = total
                for t in range(12):
                    part, row = weight[ray, k, t], d_texels[texel[ray, k, t]]
                    for h in range(len(pre)):
                        row[h] += part * pre[h]
