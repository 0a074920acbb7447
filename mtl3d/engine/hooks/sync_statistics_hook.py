"""One set of BatchNorm statistics for all processes, wherever it matters."""

from mmengine.dist import all_reduce_params, is_distributed
from mmengine.hooks import Hook
from mmengine.runner import Runner
from torch.nn.modules.batchnorm import _BatchNorm

from mtl3d.registry import HOOKS


@HOOKS.register_module()
class SyncStatisticsHook(Hook):
    """Average BatchNorm's running statistics over the processes before validation and saving.

    MMEngine's ``SyncBuffersHook`` does so before validation only, so a checkpoint would hold the
    first process's statistics and a resumed run would go on with others than an uninterrupted one;
    and it averages every buffer, constants included, which rounding may move.
    """

    def before_val_epoch(self, runner: Runner) -> None:
        """Make all processes evaluate the same model."""
        average_statistics(runner)

    def before_checkpoint(self, runner: Runner) -> None:
        """Save what all processes go on with; called on every rank."""
        average_statistics(runner)


def average_statistics(runner: Runner) -> None:
    """Average the running means and variances of all BatchNorm layers over the processes."""
    if not is_distributed():
        return
    layers = [module for module in runner.model.modules() if isinstance(module, _BatchNorm)]
    statistics = [
        value
        for layer in layers
        for value in (layer.running_mean, layer.running_var)
        if value is not None
    ]
    if statistics:
        all_reduce_params(statistics, op='mean')
