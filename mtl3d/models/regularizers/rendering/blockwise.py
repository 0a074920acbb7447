"""Results computed in blocks, and their gradients by computing each block again."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

#: What cuts one block out of a tensor.
Index = Any


def blockwise(
    function: Callable[..., Tensor],
    indices: Sequence[Index],
    cut: Sequence[Tensor],
    shared: Sequence[Tensor],
    shape: Sequence[int],
) -> Tensor:
    """Compute a result block by block, and again so for its gradient.

    Like activation checkpointing, but neither pass ever holds more than one block's temporaries,
    and the gradient of a tensor that is cut into blocks is written block by block. A single block
    is simply computed.

    Args:
        function: Maps one block of each tensor of ``cut``, and all tensors of ``shared``, to one
            block of the result.
        indices: For each block, what cuts it out of the result and of the tensors of ``cut``.
        cut: Tensors that are handed over in blocks.
        shared: Tensors that every block takes whole.
        shape: Leading axes of the result, among them all that ``indices`` cut.

    Returns:
        The result, ``(*shape, ...)``; its last axes are the function's.
    """
    if len(indices) == 1:
        return function(*(tensor[indices[0]] for tensor in cut), *shared)
    return _Blockwise.apply(function, indices, len(cut), tuple(shape), *cut, *shared)


class _Blockwise(torch.autograd.Function):
    """The autograd function behind :func:`blockwise`."""

    @staticmethod
    def forward(
        ctx: Any,
        function: Callable[..., Tensor],
        indices: Sequence[Index],
        num_cut: int,
        shape: tuple[int, ...],
        *tensors: Tensor,
    ) -> Tensor:
        ctx.function, ctx.indices, ctx.num_cut = function, indices, num_cut
        ctx.save_for_backward(*tensors)
        result = tensors[0].new_empty(0)
        for index in indices:
            part = function(*(t[index] for t in tensors[:num_cut]), *tensors[num_cut:])
            if not len(result):  # only now are the function's own axes known
                result = part.new_empty(*shape, *part.shape[len(shape) :])
            result[index] = part
        return result

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        tensors = ctx.saved_tensors
        needed = [i for i, need in enumerate(ctx.needs_input_grad[4:]) if need]
        totals = {i: torch.zeros_like(tensors[i]) for i in needed}
        for index in ctx.indices:
            cuts = [index if i < ctx.num_cut else ... for i in range(len(tensors))]
            parts = [t[c].detach() for t, c in zip(tensors, cuts, strict=True)]
            for i in needed:
                parts[i].requires_grad_()
            with torch.enable_grad():
                part = ctx.function(*parts)
            gradients = torch.autograd.grad(part, [parts[i] for i in needed], grad[index])
            for i, gradient in zip(needed, gradients, strict=True):
                totals[i][cuts[i]] += gradient
        return (None, None, None, None, *(totals.get(i) for i in range(len(tensors))))
