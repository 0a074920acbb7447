"""The head by itself, and inside InvPT by one config line."""

from pathlib import Path

import pytest
import torch
from mmengine.config import Config

from mtl3d.registry import MODELS

CONFIG = Path(__file__).parents[1] / 'configs' / 'invpt_vitt_synthrooms_context_head.py'


def test_zero_contexts_leave_the_plain_read_out():
    from projects.example_head.context_head import ContextHead

    head = ContextHead(in_channels=6, out_channels=2)
    for context in head.contexts:
        torch.nn.init.zeros_(context.weight)
        torch.nn.init.zeros_(context.bias)
    feature = torch.randn(2, 6, 5, 7)
    assert torch.allclose(head(feature), head.read_out(feature))


def test_a_rate_widens_the_view_by_its_dilation():
    from projects.example_head.context_head import ContextHead

    head = ContextHead(in_channels=1, out_channels=1, rates=(3,))
    feature = torch.zeros(1, 1, 9, 9, requires_grad=True)
    head(feature)[0, 0, 4, 4].backward()
    rows, columns = feature.grad[0, 0].nonzero().T
    assert set(rows.tolist()) == set(columns.tolist()) == {1, 4, 7}


def test_no_rates_is_an_error():
    from projects.example_head.context_head import ContextHead

    with pytest.raises(ValueError, match='rates is empty'):
        ContextHead(in_channels=1, out_channels=1, rates=())


def test_the_config_puts_it_on_one_task_only():
    cfg = Config.fromfile(CONFIG)
    model = MODELS.build(cfg.model)
    kinds = {task: type(head).__name__ for task, head in model.decoder.heads.items()}
    assert kinds.pop('depth') == 'ContextHead'
    assert set(kinds.values()) == {'ConvHead'}
