"""The search's optimizer: who updates what, joint clipping, state."""

from copy import deepcopy

import pytest
import torch
from mmengine.logging import MessageHub
from mmengine.optim import build_optim_wrapper
from mmengine.registry import DefaultScope
from torch import nn

CFG = dict(
    type='ArchitectureOptimWrapper',
    constructor='ArchitectureOptimWrapperConstructor',
    optimizer=dict(type='SGD', lr=0.1, momentum=0.9, weight_decay=0.5),
    architecture_optimizer=dict(type='Adam', lr=0.01),
)


class Toy(nn.Module):
    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.tensor([3.0, 0.0]))
        self.pair = nn.Module()
        self.pair.architecture = nn.Parameter(torch.tensor([4.0]))


@pytest.fixture(autouse=True)
def scope():
    """As the Runner sets it from the config's default_scope."""
    with DefaultScope.overwrite_default_scope('mtl3d'):
        yield


def test_each_optimizer_has_its_own_parameters():
    model = Toy()
    wrapper = build_optim_wrapper(model, CFG)
    assert [p is model.weight for p in wrapper.optimizer.param_groups[0]['params']] == [True]
    of_architecture = wrapper.architecture_optimizer.param_groups[0]['params']
    assert [p is model.pair.architecture for p in of_architecture] == [True]
    wrapper.update_params(model.pair.architecture.sum() + 0 * model.weight.sum())
    # SGD decays weights; Adam's first step has the length of its learning rate, without decay.
    torch.testing.assert_close(model.weight.data, torch.tensor([3.0 * 0.95, 0.0]))
    torch.testing.assert_close(model.pair.architecture.data, torch.tensor([4.0 - 0.01]))


def test_gradients_are_clipped_jointly_and_the_norm_is_logged():
    model = Toy()
    cfg = CFG | dict(optimizer=dict(type='SGD', lr=1.0), clip_grad=dict(max_norm=1.0))
    cfg['architecture_optimizer'] = dict(type='SGD', lr=1.0)
    wrapper = build_optim_wrapper(model, cfg)
    wrapper.update_params(
        (model.weight * torch.tensor([3.0, 0.0])).sum() + 4 * model.pair.architecture
    )
    torch.testing.assert_close(model.weight.data, torch.tensor([3.0 - 0.6, 0.0]))
    torch.testing.assert_close(model.pair.architecture.data, torch.tensor([4.0 - 0.8]))
    assert MessageHub.get_current_instance().get_scalar('train/grad_norm').current() == 5.0
    assert model.weight.grad is None and model.pair.architecture.grad is None


def test_state_is_restored_exactly():
    models = [Toy(), Toy()]
    wrappers = [build_optim_wrapper(model, CFG) for model in models]

    def step(model, wrapper):
        loss = model.weight.square().sum() + model.pair.architecture.square().sum()
        wrapper.update_params(loss)

    step(models[0], wrappers[0])
    models[1].load_state_dict(models[0].state_dict())
    wrappers[1].load_state_dict(deepcopy(wrappers[0].state_dict()))
    for model, wrapper in zip(models, wrappers, strict=True):
        step(model, wrapper)
    assert torch.equal(models[0].weight, models[1].weight)
    assert torch.equal(models[0].pair.architecture, models[1].pair.architecture)


def test_schedules_see_the_weights_alone():
    wrapper = build_optim_wrapper(Toy(), CFG)
    assert [group['lr'] for group in wrapper.param_groups] == [0.1]
    assert wrapper.get_lr() == dict(lr=[0.1])


def test_a_model_without_architecture_parameters_is_refused():
    with pytest.raises(ValueError, match='no architecture parameters'):
        build_optim_wrapper(nn.Linear(2, 2), CFG)


def test_paramwise_settings_are_refused():
    with pytest.raises(ValueError, match='paramwise_cfg'):
        build_optim_wrapper(Toy(), CFG | dict(paramwise_cfg=dict(norm_decay_mult=0.0)))
