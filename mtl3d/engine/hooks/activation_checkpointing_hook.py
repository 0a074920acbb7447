"""Less memory for more computing: forget activations, compute them again in the backward pass."""

from collections.abc import Sequence
from functools import partial

from mmengine.hooks import Hook
from mmengine.runner import Runner
from torch.nn.modules.batchnorm import _BatchNorm
from torch.utils.checkpoint import checkpoint

from mtl3d.registry import HOOKS
from mtl3d.utils.modules import submodules


@HOOKS.register_module()
class ActivationCheckpointingHook(Hook):
    """Recompute the activations of chosen sub-modules in the backward pass.

    MMEngine's config key ``activation_checkpointing`` uses torch's reentrant variant, which gives
    no gradient at all to a module whose input needs none, such as a backbone. This hook uses the
    other one, which replays dropout too.

    Args:
        targets: Names of sub-modules, such as ``backbone`` or ``regularizer``.

    Raises:
        ValueError: When training starts: the model has no such sub-module, or it contains
            BatchNorm, whose running statistics would be updated twice.
    """

    def __init__(self, *, targets: Sequence[str]) -> None:
        self.targets = tuple(targets)

    def before_train(self, runner: Runner) -> None:
        """Wrap the forward pass of the targets."""
        for name, module in zip(self.targets, submodules(runner.model, self.targets), strict=True):
            if any(isinstance(part, _BatchNorm) for part in module.modules()):
                raise ValueError(
                    f"'{name}' contains BatchNorm, whose running statistics activation "
                    'checkpointing would update twice; name parts without it'
                )
            module.forward = partial(checkpoint, module.forward, use_reentrant=False)
