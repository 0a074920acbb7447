"""The LeakyReLU of the fields, as the Triton kernels call it."""

import triton
import triton.language as tl


@triton.jit
def leaky_relu(pre, SLOPE: tl.constexpr):  # type: ignore[no-untyped-def]
    return tl.where(pre > 0, pre, pre * tl.full((), SLOPE, pre.dtype))


@triton.jit
def leaky_relu_grad(pre, d_hidden, SLOPE: tl.constexpr):  # type: ignore[no-untyped-def]
    # A bare 0.2 would be rounded to float32, in float64 kernels too.
    return tl.where(pre > 0, d_hidden, d_hidden * tl.full((), SLOPE, pre.dtype))
