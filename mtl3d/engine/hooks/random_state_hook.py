"""The state of all random number generators, so that a resumed run repeats an uninterrupted one."""

import random
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from mmengine.dist import all_gather_object, get_rank, get_world_size
from mmengine.hooks import Hook
from mmengine.runner import IterBasedTrainLoop, Runner

from mtl3d.registry import HOOKS


@HOOKS.register_module()
class RandomStateHook(Hook):
    """Save every rank's random state with each checkpoint and restore it on resume.

    MMEngine replays the data order on resume, but not the main process's random state, so dropout
    and the like differ from an uninterrupted run. Validation leaves the state as it found it:
    otherwise a run resumed from a checkpoint written before a validation would differ from one that
    went through it.

    With several processes the checkpoint has to be written by :class:`AtomicCheckpointHook`, which
    asks all ranks for their state.
    """

    def __init__(self) -> None:
        self._collected: list[dict[str, Any]] | None = None
        self._resumed: dict[str, Any] | None = None
        self._before_validation: dict[str, Any] | None = None

    def before_checkpoint(self, runner: Runner) -> None:
        """Collect the states of all ranks; called on every rank."""
        self._collected = all_gather_object(self._training_state())

    def before_save_checkpoint(self, runner: Runner, checkpoint: dict[str, Any]) -> None:
        """Add the states to a checkpoint that can be resumed from; called on the first rank."""
        if 'optimizer' not in checkpoint:
            return
        if self._collected is None and get_world_size() > 1:
            raise RuntimeError(
                'RandomStateHook needs AtomicCheckpointHook (default_hooks.checkpoint) when '
                'several processes train'
            )
        checkpoint['random_states'] = self._collected or [self._training_state()]
        self._collected = None

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict[str, Any]) -> None:
        """Take this rank's state out of the checkpoint when resuming."""
        states = checkpoint.get('random_states')
        if not runner._resume or states is None:
            return
        if len(states) != get_world_size():
            runner.logger.warning(
                f'The checkpoint was written by {len(states)} processes, now there are '
                f'{get_world_size()}: the run continues, but with other random numbers'
            )
            return
        self._resumed = states[get_rank()]

    def before_train_epoch(self, runner: Runner) -> None:
        """Arrange that the state is restored just before the first new batch is fetched."""
        if self._resumed is None:
            return
        state, self._resumed = self._resumed, None
        loop = runner.train_loop
        if isinstance(loop, IterBasedTrainLoop):
            # The loop first fetches the batches that were trained on already, which draws random
            # numbers in this process; the state counts from after that.
            loop.dataloader_iterator = call_before(
                loop.dataloader_iterator, loop.iter, lambda: set_random_state(state)
            )
        else:
            set_random_state(state)

    def before_val(self, runner: Runner) -> None:
        """Note the state; starting the data workers of a validation draws from it."""
        self._before_validation = random_state()

    def after_val(self, runner: Runner) -> None:
        """Go on as if there had been no validation."""
        if self._before_validation is not None:
            set_random_state(self._before_validation)
            self._before_validation = None

    def _training_state(self) -> dict[str, Any]:
        """The state that training goes on with, also in the middle of a validation."""
        return self._before_validation or random_state()


def call_before(items: Iterator[Any], index: int, action: Callable[[], None]) -> Iterator[Any]:
    """Pass an iterator through, and do something before its ``index``-th item is fetched."""
    count = 0
    while True:
        if count == index:
            action()
        try:
            item = next(items)
        except StopIteration:
            return
        yield item
        count += 1


def random_state() -> dict[str, Any]:
    """Read the state of Python's, NumPy's, torch's and the current GPU's generator.

    Returns:
        Tensors and plain values, fit for ``torch.load(weights_only=True)``.
    """
    state: Any = np.random.get_state(legacy=True)  # noqa: NPY002
    name, keys, *rest = state
    return dict(
        python=random.getstate(),
        numpy=(name, torch.from_numpy(keys.astype(np.int64)), *rest),
        torch=torch.get_rng_state(),
        cuda=torch.cuda.get_rng_state() if torch.cuda.is_available() else None,
    )


def set_random_state(state: dict[str, Any]) -> None:
    """Set what :func:`random_state` has read, on whatever device its tensors are now."""
    random.setstate(state['python'])
    name, keys, *rest = state['numpy']
    np.random.set_state((name, keys.cpu().numpy().astype(np.uint32), *rest))  # noqa: NPY002
    torch.set_rng_state(state['torch'].cpu())
    if state['cuda'] is not None and torch.cuda.is_available():
        torch.cuda.set_rng_state(state['cuda'].cpu())
