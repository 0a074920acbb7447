"""Ctrl-C stops a run between two iterations, never inside one."""

import signal
import threading
from types import FrameType
from typing import Any

from mmengine.hooks import Hook
from mmengine.runner import Runner

from mtl3d.registry import HOOKS


@HOOKS.register_module()
class InterruptHook(Hook):
    """Turn the first Ctrl-C into a ``KeyboardInterrupt`` at the end of the iteration.

    Python raises it wherever the program happens to be: in the middle of a checkpoint, or inside
    one of MMEngine's bare ``except`` clauses, which swallow it. The second Ctrl-C is raised at
    once. The handler is put back after training; :func:`mtl3d.apis.train.train` does so after an
    error, too.
    """

    priority = 'LOWEST'

    def __init__(self) -> None:
        self.requested = False
        self._previous: Any = None

    def before_train(self, runner: Runner) -> None:
        """Take over SIGINT; only the main thread can."""
        if threading.current_thread() is threading.main_thread():
            self._previous = signal.signal(signal.SIGINT, self._request)

    def after_train(self, runner: Runner) -> None:
        """Give SIGINT back."""
        self._restore()

    def after_train_iter(self, runner: Runner, *args: Any, **kwargs: Any) -> None:
        """Stop here if it was asked for."""
        self._stop_if_requested()

    def after_val_iter(self, runner: Runner, *args: Any, **kwargs: Any) -> None:
        """Stop here if it was asked for."""
        self._stop_if_requested()

    def _request(self, signum: int, frame: FrameType | None) -> None:
        self.requested = True
        self._restore()

    def _restore(self) -> None:
        if self._previous is not None:
            signal.signal(signal.SIGINT, self._previous)
            self._previous = None

    def _stop_if_requested(self) -> None:
        if self.requested:
            raise KeyboardInterrupt
