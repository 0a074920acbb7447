"""Hooks that change how sub-modules run: compiling, and forgetting activations."""

import pytest
import torch
from toy_run import same, toy_cfg

from mtl3d.apis.train import train
from mtl3d.engine.hooks import ActivationCheckpointingHook, CompileHook
from mtl3d.models import MultiTaskModel
from mtl3d.registry import MODELS


class FakeRunner:
    def __init__(self, model):
        self.model = model


@pytest.fixture
def model():
    from toy import toy_model_cfg

    return MODELS.build(toy_model_cfg())


@torch.no_grad()
def test_compiling_changes_neither_keys_nor_results(model):
    inputs = torch.rand(2, 3, 16, 24)
    keys = list(model.state_dict())
    expected = model.eval()(inputs)
    calls = []

    def backend(graph, example_inputs):
        calls.append(graph)
        return graph.forward

    hook = CompileHook(targets=['backbone', 'decoder'], options=dict(backend=backend))
    hook.before_run(FakeRunner(model))
    assert list(model.state_dict()) == keys
    assert not same(model(inputs), expected)
    assert calls  # something was compiled


@pytest.mark.parametrize('hook', [CompileHook, ActivationCheckpointingHook])
def test_an_unknown_target_names_the_nearest(model, hook):
    instance = hook(targets=['backbon'])
    start = instance.before_run if hook is CompileHook else instance.before_train
    with pytest.raises(ValueError, match=r"no part 'backbon'.*'backbone'"):
        start(FakeRunner(model))


def test_batch_norm_is_refused(model):
    with pytest.raises(ValueError, match="'backbone' contains BatchNorm"):
        ActivationCheckpointingHook(targets=['backbone']).before_train(FakeRunner(model))


def test_activation_checkpointing_gives_the_same_gradients_even_to_the_first_layer(model):
    inputs = torch.rand(2, 3, 16, 24)  # needs no gradient: the reentrant variant would give none
    model.eval()
    weight = model.backbone.conv.weight

    def gradient():
        weight.grad = None
        sum(value.square().mean() for value in model(inputs).values()).backward()
        return weight.grad.clone()

    expected = gradient()
    count = [0]
    model.decoder.heads['depth'].register_forward_hook(
        lambda *_: count.__setitem__(0, count[0] + 1)
    )
    ActivationCheckpointingHook(targets=['backbone.conv', 'decoder']).before_train(
        FakeRunner(model)
    )
    assert torch.equal(gradient(), expected)
    assert count == [2]  # forward, and once more in the backward pass


# Dynamo looks at .grad of every tensor that it traces.
@pytest.mark.filterwarnings('ignore:The .grad attribute:UserWarning')
def test_a_run_with_both_hooks_equals_one_without(tmp_path):
    tail = (
        "custom_hooks = [dict(type='ActivationCheckpointingHook', targets=['decoder', "
        "'backbone.conv']), dict(type='CompileHook', targets=['regularizer'], "
        "options=dict(backend='eager'))]"
    )
    options = {'max_iters': 2}
    plain = train(toy_cfg(tmp_path / 'plain', options), validate=False).model
    hooked = train(toy_cfg(tmp_path / 'hooked', options, tail), validate=False).model
    assert isinstance(plain, MultiTaskModel)
    assert not same(plain.state_dict(), hooked.state_dict())
