"""``torch.compile`` for chosen parts of the model."""

from collections.abc import Mapping, Sequence
from typing import Any

from mmengine.hooks import Hook
from mmengine.runner import Runner

from mtl3d.registry import HOOKS
from mtl3d.utils.modules import submodules


@HOOKS.register_module()
class CompileHook(Hook):
    """Compile sub-modules in place; the keys of the state dict stay the same.

    MMEngine's own ``compile`` option compiles the training step with the data samples in it, which
    recompiles for every sample.

    Args:
        targets: Names of sub-modules, such as ``backbone`` or ``decoder``.
        options: Keyword arguments of ``torch.compile``, for instance ``dict(mode='max-autotune')``.

    Raises:
        ValueError: When the run starts: the model has no such sub-module.
    """

    def __init__(self, *, targets: Sequence[str], options: Mapping[str, Any] | None = None) -> None:
        self.targets = tuple(targets)
        self.options = dict(options or {})

    def before_run(self, runner: Runner) -> None:
        """Compile the targets."""
        for module in submodules(runner.model, self.targets):
            module.compile(**self.options)
