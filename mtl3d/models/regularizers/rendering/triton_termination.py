"""Where rays end, and the gradient of that, as one GPU kernel each; see ``termination``."""

import torch
import triton
import triton.language as tl
from torch import Tensor

from mtl3d.models.regularizers.rendering.termination import Termination

#: Rays of a program.
_BLOCK = 16
_NUM_WARPS = 4


def terminate(raw: Tensor, delta: Tensor, depth: Tensor) -> Termination:
    """End the rays; see ``termination.terminate``."""
    weights = torch.empty_like(raw)
    opacity, expected = raw.new_empty(2, *raw.shape[:4])
    _launch(_terminate_kernel, raw, delta, depth, weights, opacity, expected)
    return Termination(weights, opacity, expected)


def terminate_gradient(
    raw: Tensor, weights: Tensor, delta: Tensor, depth: Tensor, gradient: Termination
) -> Tensor:
    """Compute the gradient of the raw values; see ``termination.terminate_gradient``."""
    d_raw = torch.empty_like(raw)
    gradients = [tensor.contiguous() for tensor in gradient]
    _launch(_gradient_kernel, raw, delta, depth, weights, *gradients, d_raw)
    return d_raw


def _launch(kernel: object, raw: Tensor, delta: Tensor, depth: Tensor, *tensors: Tensor) -> None:
    """Run a program per block of rays, image and density; the tensors are contiguous."""
    num_densities, batch, height, width, samples = raw.shape
    depth = depth.contiguous()
    with torch.cuda.device_of(raw):
        kernel[triton.cdiv(height * width, _BLOCK), batch, num_densities](  # type: ignore[index]
            raw, delta, depth, *tensors, height * width, width, samples, *delta.stride(),
            K_BLOCK=triton.next_power_of_2(samples), BLOCK=_BLOCK, num_warps=_NUM_WARPS,
        )  # fmt: skip


@triton.jit
def _softplus(x):  # type: ignore[no-untyped-def]
    return tl.where(x > 20, x, tl.log(1 + tl.exp(tl.minimum(x, 20))))  # as in torch


@triton.jit
def _optical_depths(raw, delta, k, delta_k, mask):  # type: ignore[no-untyped-def]
    """Density times length at samples k of rays."""
    sigma = _softplus(tl.load(raw + k, mask=mask, other=0) - 1)
    return tl.where(mask, sigma * tl.load(delta + k * delta_k, mask=mask, other=0), 0)


@triton.jit
def _rays(delta, num_rays, width, delta_n, delta_y, delta_x, BLOCK: tl.constexpr):  # type: ignore[no-untyped-def]
    """This program's rays, counted through all images, where their lengths are, which there are."""
    ray = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)[:, None]
    n = tl.program_id(1).to(tl.int64)
    image = tl.program_id(2).to(tl.int64) * tl.num_programs(1) + n
    delta += n * delta_n + ray // width * delta_y + ray % width * delta_x
    return image * num_rays + ray, delta, ray < num_rays


@triton.jit
def _terminate_kernel(  # type: ignore[no-untyped-def]
    raw, delta, depth, weights, opacity, expected, num_rays, width, samples,
    delta_n, delta_y, delta_x, delta_k, K_BLOCK: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    ray, delta, valid = _rays(delta, num_rays, width, delta_n, delta_y, delta_x, BLOCK)
    k = tl.arange(0, K_BLOCK)[None, :]
    mask = valid & (k < samples)
    raw += ray * samples
    own = _optical_depths(raw, delta, k, delta_k, mask)
    # The sum over the samples in front is a sum over shifted values, not a difference of sums: a
    # huge own value would swallow what lies in front of it.
    in_front = _optical_depths(raw, delta, k - 1, delta_k, mask & (k > 0))
    ends = tl.exp(-tl.cumsum(in_front, 1)) * (1 - tl.exp(-own))
    at = tl.load(depth + tl.program_id(1).to(tl.int64) * samples + k, mask=k < samples, other=0)
    tl.store(weights + ray * samples + k, ends, mask=mask)
    tl.store(opacity + ray, tl.sum(ends, 1, keep_dims=True), mask=valid)
    tl.store(expected + ray, tl.sum(ends * at, 1, keep_dims=True), mask=valid)


@triton.jit
def _ends_gradient(d_weights, depth, d_opacity, d_expected, k, mask):  # type: ignore[no-untyped-def]
    """Gradient of the weights of samples k, from all that is made of them; 0 where masked."""
    at = tl.load(depth + k, mask=mask, other=0)
    own = tl.load(d_weights + k, mask=mask, other=0)
    return tl.where(mask, own + d_opacity + d_expected * at, 0)


@triton.jit
def _gradient_kernel(  # type: ignore[no-untyped-def]
    raw, delta, depth, weights, d_weights, d_opacity, d_expected, d_raw, num_rays, width, samples,
    delta_n, delta_y, delta_x, delta_k, K_BLOCK: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    ray, delta, valid = _rays(delta, num_rays, width, delta_n, delta_y, delta_x, BLOCK)
    k = tl.arange(0, K_BLOCK)[None, :]
    mask = valid & (k < samples)
    depth += tl.program_id(1).to(tl.int64) * samples
    raw += ray * samples
    weights += ray * samples
    d_weights += ray * samples
    of_opacity = tl.load(d_opacity + ray, mask=valid, other=0)
    of_depth = tl.load(d_expected + ray, mask=valid, other=0)
    d_ends = _ends_gradient(d_weights, depth, of_opacity, of_depth, k, mask)
    tau = _optical_depths(raw, delta, k, delta_k, mask)
    # A sum over what lies behind, not a difference of sums, as in the other kernel.
    mask_behind = valid & (k + 1 < samples)
    d_behind = _ends_gradient(d_weights, depth, of_opacity, of_depth, k + 1, mask_behind)
    lost = tl.load(weights + k + 1, mask=mask_behind, other=0) * d_behind
    d_tau = tl.exp(-tl.cumsum(tau, 1)) * d_ends - tl.cumsum(lost, 1, reverse=True)
    shifted = tl.load(raw + k, mask=mask, other=0) - 1
    slope = 1 / (1 + tl.exp(tl.minimum(-shifted, 80)))  # of softplus; exp(89) overflows
    slope = tl.where(shifted > 20, 1, slope)
    length = tl.load(delta + k * delta_k, mask=mask, other=0)
    tl.store(d_raw + ray * samples + k, d_tau * length * slope, mask=mask)
