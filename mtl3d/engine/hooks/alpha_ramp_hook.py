"""The schedule of the regularizer's weight."""

from mmengine.hooks import Hook
from mmengine.runner import Runner

from mtl3d.registry import HOOKS
from mtl3d.utils.modules import unwrapped


@HOOKS.register_module()
class AlphaRampHook(Hook):
    """Raise the weight alpha of the regularizer's losses linearly, then keep it.

    ICLR 2024 paper, section 4.1: from 0 to 4 in the first 20 000 of 40 000 iterations. Alpha
    depends on the iteration alone, so a resumed run continues the ramp exactly. It is logged as
    ``train/alpha``.

    Args:
        begin: Iteration at which the ramp starts.
        end: Iteration at which it is complete.
        start: Alpha up to ``begin``.
        stop: Alpha from ``end`` on.

    Raises:
        ValueError: The ramp ends before it begins, or, when training starts, the model has no
            regularizer.
    """

    def __init__(
        self, *, begin: int = 0, end: int = 20000, start: float = 0.0, stop: float = 4.0
    ) -> None:
        if end < begin:
            raise ValueError(f'end={end} is before begin={begin}')
        self.begin = begin
        self.end = end
        self.start = start
        self.stop = stop

    def alpha(self, iteration: int) -> float:
        """Compute alpha at an iteration, counted from 0."""
        if iteration >= self.end:
            return self.stop
        if iteration <= self.begin:
            return self.start
        progress = (iteration - self.begin) / (self.end - self.begin)
        return self.start + progress * (self.stop - self.start)

    def before_train(self, runner: Runner) -> None:
        """Refuse a model without a regularizer."""
        if getattr(unwrapped(runner.model), 'regularizer', None) is None:
            raise ValueError(
                'AlphaRampHook has nothing to weigh: the model has no regularizer. Set '
                'model.regularizer in the config, or remove the hook from custom_hooks.'
            )

    def before_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: dict | None = None
    ) -> None:
        """Set and log alpha."""
        alpha = self.alpha(runner.iter)
        unwrapped(runner.model).regularizer_weight = alpha  # type: ignore[assignment]
        runner.message_hub.update_scalar('train/alpha', alpha)
