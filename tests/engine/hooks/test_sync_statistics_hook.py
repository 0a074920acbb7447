"""BatchNorm's running statistics, and nothing else, are averaged over the processes."""

from types import SimpleNamespace

import pytest
import torch
from torch import nn

from mtl3d.engine.hooks import SyncStatisticsHook, sync_statistics_hook


class Model(nn.Module):
    """Two kinds of normalisation, and a constant that must stay as it is."""

    def __init__(self):
        super().__init__()
        self.norm = nn.BatchNorm2d(2)
        self.bare = nn.BatchNorm2d(2, track_running_stats=False)
        self.register_buffer('constant', torch.tensor([0.1]))


@pytest.mark.parametrize('point', ['before_val_epoch', 'before_checkpoint'])
def test_statistics_are_averaged_before_validation_and_saving(monkeypatch, point):
    def average_with_zeros(values, op):  # as if the other of two processes had only zeros
        assert op == 'mean'
        for value in values:
            value.div_(2)

    monkeypatch.setattr(sync_statistics_hook, 'is_distributed', lambda: True)
    monkeypatch.setattr(sync_statistics_hook, 'all_reduce_params', average_with_zeros)
    model = Model()
    model.norm(torch.rand(3, 2, 4, 4))
    before = {name: value.clone() for name, value in model.state_dict().items()}
    getattr(SyncStatisticsHook(), point)(SimpleNamespace(model=model))
    for name, value in model.state_dict().items():
        factor = 0.5 if name in ('norm.running_mean', 'norm.running_var') else 1
        assert torch.equal(value, before[name] * factor), name


def test_one_process_keeps_its_own():
    model = Model()
    before = model.norm.running_var.clone()
    SyncStatisticsHook().before_checkpoint(SimpleNamespace(model=model))
    assert torch.equal(model.norm.running_var, before)
