"""Finding one's way in a model."""

from collections.abc import Sequence

from mmengine.model import is_model_wrapper
from torch import nn

from mtl3d.utils.config import nearest


def unwrapped(model: nn.Module) -> nn.Module:
    """Take a model out of its data-parallel wrapper, if it has one."""
    return model.module if is_model_wrapper(model) else model  # type: ignore[return-value]


def submodules(model: nn.Module, names: Sequence[str]) -> list[nn.Module]:
    """Find sub-modules by their dotted names, below a data-parallel wrapper if there is one.

    Args:
        model: The model.
        names: Such as ``backbone`` or ``decoder.heads``.

    Raises:
        ValueError: There is no such sub-module; the message names the nearest.
    """
    found = dict(unwrapped(model).named_modules())
    for name in names:
        if name not in found:
            raise ValueError(f"The model has no part '{name}'. {nearest(name, found)}")
    return [found[name] for name in names]
