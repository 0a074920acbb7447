"""Compositing and its gradient from two sums of hidden units, whoever computes these.

Let ``phi[n, f, j, i, k, :]`` be the hidden units of field f at sample k of the ray (j, i).
Rendering and its gradient need phi only in sums:

* over hidden units, ``sum_h phi u``: the density's read-out (u is its weight vector) and the
  gradient of a ray's weights (u is the gradient of its composited units);
* over samples, ``sum_k phi s``: the composited units (s are the ray's weights) and the gradient of
  the density's weight vector (s is the gradient of its raw values).

In both cases the gradient of the pre-activation is ``s u phi'``. So there are three loops over all
points, and phi is never stored. What lies between the two sums, the weights of a ray, is torch with
its autograd.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from mtl3d.models.regularizers.rendering.scene import density, ray_weights


class Sums(NamedTuple):
    """The three loops, for scenes of some form: tensors from which phi is computed.

    Attributes:
        over_units: ``(scene, u)`` with u of ``(n, f, h, w, H)`` to ``(n, f, h, w, D)``.
        over_samples: ``(scene, s)`` with s of ``(n, f, h, w, D)`` to ``(n, f, h, w, H)``.
        gradients: ``(scene, s, u)`` to the sums of ``s u phi'`` that belong to each tensor of the
            scene.
    """

    over_units: Callable[[Sequence[Tensor], Tensor], Tensor]
    over_samples: Callable[[Sequence[Tensor], Tensor], Tensor]
    gradients: Callable[[Sequence[Tensor], Tensor, Tensor], Sequence[Tensor]]


def composite(
    sums: Sums,
    of_density: Sequence[Tensor],
    of_values: Sequence[Tensor],
    num_values: int,
    density_weight: Tensor,
    density_bias: Tensor,
    delta: Tensor,
) -> tuple[Tensor, Tensor]:
    """Composite the hidden units of T value fields with the weights of G density fields.

    Args:
        sums: The loops.
        of_density: The scene of the density fields.
        of_values: The scene of the value fields.
        num_values: T.
        density_weight: ``(G, H)``.
        density_bias: ``(G,)``.
        delta: ``(N, h, w, D)`` length of ray per sample.

    Returns:
        Composited hidden units ``(N, T, h, w, H)``, and the weights of all samples
        ``(N, G, h, w, D)``.
    """
    batch, height, width, _ = delta.shape
    vectors = density_weight[:, None, None].expand(batch, -1, height, width, -1)
    raw = _OverUnits.apply(sums, vectors, *of_density) + density_bias[:, None, None, None]
    weights = ray_weights(density(raw) * delta[:, None])
    shared = weights.expand(-1, num_values, -1, -1, -1)
    return _OverSamples.apply(sums, shared, *of_values), weights


class _OverUnits(torch.autograd.Function):
    """``sum_h phi u`` and its gradient."""

    @staticmethod
    def forward(ctx: Any, sums: Sums, u: Tensor, *scene: Tensor) -> Tensor:
        ctx.sums = sums
        ctx.save_for_backward(u, *scene)
        return sums.over_units(scene, u)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        u, *scene = ctx.saved_tensors
        return None, ctx.sums.over_samples(scene, grad), *ctx.sums.gradients(scene, grad, u)


class _OverSamples(torch.autograd.Function):
    """``sum_k phi s`` and its gradient."""

    @staticmethod
    def forward(ctx: Any, sums: Sums, s: Tensor, *scene: Tensor) -> Tensor:
        ctx.sums = sums
        ctx.save_for_backward(s, *scene)
        return sums.over_samples(scene, s)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        s, *scene = ctx.saved_tensors
        return None, ctx.sums.over_units(scene, grad), *ctx.sums.gradients(scene, s, grad)
