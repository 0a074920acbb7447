"""Ctrl-C waits for the end of the iteration, once."""

import signal
import threading

import pytest

from mtl3d.engine.hooks import InterruptHook


@pytest.fixture(autouse=True)
def handler():
    """Python's own handler, which a shell takes away from what it starts in the background."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield signal.default_int_handler
    signal.signal(signal.SIGINT, before)


@pytest.mark.parametrize('point', ['after_train_iter', 'after_val_iter'])
def test_the_first_interrupt_waits_and_the_second_does_not(handler, point):
    hook = InterruptHook()
    hook.before_train(None)
    getattr(hook, point)(None)
    signal.raise_signal(signal.SIGINT)  # nothing is raised here
    assert signal.getsignal(signal.SIGINT) is handler
    with pytest.raises(KeyboardInterrupt):
        signal.raise_signal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        getattr(hook, point)(None)


def test_without_an_interrupt_the_handler_is_put_back(handler):
    hook = InterruptHook()
    hook.before_train(None)
    assert signal.getsignal(signal.SIGINT) is not handler
    hook.after_train(None)
    assert signal.getsignal(signal.SIGINT) is handler


def test_another_thread_leaves_the_handler_alone(handler):
    errors = []

    def train():
        try:
            InterruptHook().before_train(None)
        except ValueError as error:  # what Python says to a thread that sets a handler
            errors.append(error)

    thread = threading.Thread(target=train)
    thread.start()
    thread.join()
    assert not errors and signal.getsignal(signal.SIGINT) is handler
