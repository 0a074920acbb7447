"""Where rays end, from the raw values of the density fields; with a gradient written by hand."""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from mtl3d.models.regularizers.rendering.scene import density, ray_weights


class Termination(NamedTuple):
    """Where rays end.

    Attributes:
        weights: ``(G, N, h, w, D)``, the chance that a ray ends in each of its samples.
        opacity: ``(G, N, h, w)``, their sum.
        depth: ``(G, N, h, w)``, their sum times the samples' depths.
    """

    weights: Tensor
    opacity: Tensor
    depth: Tensor


def terminate(raw: Tensor, delta: Tensor, depth: Tensor) -> Termination:
    """End the rays.

    Args:
        raw: ``(G, N, h, w, D)``, raw values of the density fields.
        delta: ``(N, h, w, D)`` length of ray per sample.
        depth: ``(N, D)`` depth of each sample.
    """
    weights = ray_weights(density(raw) * delta)
    return Termination(weights, weights.sum(-1), torch.einsum('gnyxk,nk->gnyx', weights, depth))


def terminate_gradient(
    raw: Tensor, weights: Tensor, delta: Tensor, depth: Tensor, gradient: Termination
) -> Tensor:
    """Compute the gradient of the raw values.

    With ``tau_k = density_k delta_k``, a sample's own weight grows with tau by the transmittance
    behind it, ``d w_k / d tau_k = T_{k+1}``, and each weight behind it shrinks by itself,
    ``d w_m / d tau_k = -w_m`` for m > k.

    Args:
        raw: As of :func:`terminate`.
        weights: Its result.
        delta: As there.
        depth: As there.
        gradient: Gradients of its results.
    """
    d_weights = gradient.weights + gradient.opacity[..., None]
    d_weights += gradient.depth[..., None] * depth[:, None, None]
    through = torch.exp(-torch.cumsum(density(raw) * delta, dim=-1))
    # As in `ray_weights`: a sum over what lies behind, not a difference of sums.
    behind = F.pad((weights * d_weights)[..., 1:].flip(-1).cumsum(-1).flip(-1), (0, 1))
    # Beyond 20 torch's softplus is the identity, whose slope is 1 and not sigmoid(20).
    slope = torch.where(raw - 1 > 20, 1, torch.sigmoid(raw - 1))
    return (through * d_weights - behind) * delta * slope
