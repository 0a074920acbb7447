"""The published schedule, step by step."""

import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope
from torch import nn
from toy_run import ROOT, toy_cfg, write_config

from mtl3d.apis.configuration import load_config
from mtl3d.registry import PARAM_SCHEDULERS

SCHEDULE = ROOT / 'configs/_base_/schedules/poly_40k.py'


def learning_rates(cfg: Config, steps: int) -> list[float]:
    init_default_scope('mtl3d')
    optimizer = torch.optim.Adam(nn.Linear(1, 1).parameters(), lr=cfg.optim_wrapper.optimizer.lr)
    scheduler = PARAM_SCHEDULERS.build(
        cfg.param_scheduler[0], default_args=dict(optimizer=optimizer)
    )
    rates = []
    for _ in range(steps):
        rates.append(optimizer.param_groups[0]['lr'])
        optimizer.step()
        scheduler.step()
    return rates


def test_learning_rate_after_k_steps():
    rates = learning_rates(Config.fromfile(SCHEDULE), 40000)
    for k in (0, 1, 2, 999, 20000, 39999):
        expected = 2e-5 * (1 - k / 40000) ** 0.9
        assert abs(rates[k] - expected) < 1e-9 * expected
    assert min(rates) > 0  # the last iteration still learns


def test_published_optimizer():
    optimizer = Config.fromfile(SCHEDULE).optim_wrapper.optimizer
    assert dict(optimizer) == dict(type='Adam', lr=2e-5, weight_decay=1e-6)


def test_one_option_changes_length_and_schedule(tmp_path):
    path = write_config(tmp_path)
    cfg = load_config(path, {'max_iters': 20, 'optim_wrapper.optimizer.lr': 1.0})
    assert cfg.train_cfg.max_iters == 20
    rates = learning_rates(cfg, 20)
    assert abs(rates[10] - 0.5**0.9) < 1e-9


def test_a_toy_run_ends_with_a_learning_rate_of_zero_steps_left(tmp_path):
    assert toy_cfg(tmp_path).param_scheduler[0].end == 9


def test_a_run_shorter_than_its_warm_up_leaves_out_what_would_begin_after_it(tmp_path):
    path = tmp_path / 'short.py'
    path.write_text(f"_base_ = '{ROOT}/configs/_base_/schedules/quick.py'\n")
    kept = {
        n: [s.type for s in load_config(path, {'max_iters': n}).param_scheduler] for n in (4, 31)
    }
    assert kept == {4: ['LinearLR'], 31: ['LinearLR', 'PolyLR']}
