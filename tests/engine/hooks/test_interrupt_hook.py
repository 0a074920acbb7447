"""Ctrl-C waits for the end of the iteration, once."""

import os
import signal

import pytest

from mtl3d.engine.hooks import InterruptHook


def test_the_first_interrupt_waits_and_the_second_does_not():
    before = signal.getsignal(signal.SIGINT)
    hook = InterruptHook()
    hook.before_train(None)
    hook.after_train_iter(None)
    os.kill(os.getpid(), signal.SIGINT)  # nothing is raised here
    assert hook.requested
    with pytest.raises(KeyboardInterrupt):
        os.kill(os.getpid(), signal.SIGINT)
        signal.pause()
    with pytest.raises(KeyboardInterrupt):
        hook.after_train_iter(None)
    assert signal.getsignal(signal.SIGINT) is before


def test_without_an_interrupt_the_handler_is_put_back():
    before = signal.getsignal(signal.SIGINT)
    hook = InterruptHook()
    hook.before_train(None)
    assert signal.getsignal(signal.SIGINT) is not before
    hook.after_train(None)
    assert signal.getsignal(signal.SIGINT) is before
