"""The LeakyReLU of the fields, as the Triton kernels call it."""

import triton
import triton.language as tl


@triton.jit
def leaky_relu_slope(pre, SLOPE: tl.constexpr):  # type: ignore[no-untyped-def]
    """Slope at each pre-activation, for its hidden unit (times the former) and its gradient."""
    # A bare 0.2 would be rounded to float32, in float64 kernels too.
    one, leak = tl.full((), 1, pre.dtype), tl.full((), SLOPE, pre.dtype)
    return tl.where(pre > 0, one, leak)


@triton.jit
def leaky_relu_grad(pre, d_hidden, SLOPE: tl.constexpr):  # type: ignore[no-untyped-def]
    """Gradient of pre-activations from that of hidden units, which may be fewer (broadcast)."""
    return tl.where(pre > 0, d_hidden, d_hidden * tl.full((), SLOPE, pre.dtype))
