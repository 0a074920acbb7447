"""The ramp of the regularizer's weight."""

from types import SimpleNamespace

import pytest
from mmengine.logging import MessageHub
from torch import nn

from mtl3d.registry import HOOKS


class Model(nn.Module):
    def __init__(self, regularizer):
        super().__init__()
        self.regularizer = regularizer
        self.regularizer_weight = 1.0


def runner(model, iteration=0):
    hub = MessageHub.get_instance(f'alpha {id(model)}')
    return SimpleNamespace(model=model, iter=iteration, message_hub=hub)


def build(**settings):
    return HOOKS.build(dict(type='AlphaRampHook', **settings))


@pytest.mark.parametrize(
    ('iteration', 'alpha'),
    [(0, 0.0), (1, 0.0002), (5000, 1.0), (10000, 2.0), (19999, 3.9998), (20000, 4.0), (39999, 4.0)],
)
def test_the_default_is_the_ramp_of_the_paper(iteration, alpha):
    assert build().alpha(iteration) == pytest.approx(alpha, abs=1e-12)


def test_begin_and_start_move_the_ramp():
    hook = build(begin=10, end=20, start=1.0, stop=3.0)
    assert [hook.alpha(i) for i in (0, 10, 15, 20, 99)] == [1.0, 1.0, 2.0, 3.0, 3.0]


def test_a_ramp_of_no_length_is_a_step():
    hook = build(begin=5, end=5)
    assert [hook.alpha(i) for i in (4, 5)] == [0.0, 4.0]


def test_a_ramp_that_ends_before_it_begins_is_refused():
    with pytest.raises(ValueError, match='end=3 is before begin=4'):
        build(begin=4, end=3)


def test_it_sets_and_logs_alpha_from_the_iteration_alone():
    hook, model = build(end=8), Model(nn.Identity())
    for iteration in (6, 2, 2):  # a resumed run need not have seen the iterations before
        state = runner(model, iteration)
        hook.before_train_iter(state, batch_idx=0)
        assert model.regularizer_weight == iteration / 2
        assert state.message_hub.get_scalar('train/alpha').current() == iteration / 2


def test_it_looks_through_a_model_wrapper(monkeypatch):
    model = Model(nn.Identity())
    monkeypatch.setattr('mtl3d.utils.modules.is_model_wrapper', lambda m: m is not model)
    build(end=8).before_train_iter(runner(SimpleNamespace(module=model), 8), batch_idx=0)
    assert model.regularizer_weight == 4.0


def test_a_model_without_a_regularizer_is_refused():
    with pytest.raises(ValueError, match='the model has no regularizer'):
        build().before_train(runner(Model(None)))
    build().before_train(runner(Model(nn.Identity())))
