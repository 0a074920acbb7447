"""A resumed run repeats an uninterrupted one bit by bit; its checkpoints survive anything."""

import shutil

import numpy as np
import pytest
import torch
from toy_run import same, tool, toy_cfg, write_config

from mtl3d.apis.checkpoint import find_checkpoint
from mtl3d.apis.train import train
from mtl3d.engine.atomic_backend import UNFINISHED, AtomicBackend
from mtl3d.utils.compat import load_checkpoint_file

EMA = "custom_hooks = [dict(type='EMAHook', momentum=0.1)]"
RAMP = "custom_hooks = [dict(type='AlphaRampHook', end=6, stop=4.0)]"


def weights_of(path):
    """Everything in a checkpoint that decides how the run goes on."""
    checkpoint = load_checkpoint_file(path)
    keys = ('state_dict', 'ema_state_dict', 'optimizer', 'param_schedulers', 'random_states')
    state = {key: checkpoint[key] for key in keys if key in checkpoint}
    scalars = checkpoint['message_hub']['log_scalars']
    history = {k: v['log'] for k, v in scalars.items() if 'loss' in k or 'alpha' in k or '/lr' in k}
    return {**state, 'iter': checkpoint['meta']['iter'], 'history': history}


# With accumulation the schedule moves before the first step of the optimizer.
@pytest.mark.filterwarnings('ignore:Detected call of `scheduler.step:UserWarning')
@pytest.mark.parametrize(
    ('options', 'tail', 'stop'),
    [
        # Ten images in batches of two: the checkpoint falls on the end of an epoch, and a
        # validation lies between checkpoint and end.
        (
            {'train_dataloader.num_workers': 2, 'train_dataloader.persistent_workers': False},
            RAMP,
            2,
        ),
        ({}, EMA, 4),  # data drawn in the main process; the checkpoint precedes a validation
        ({'optim_wrapper.accumulative_counts': 2}, '', 6),
    ],
    ids=['workers-and-ramp', 'ema', 'accumulation'],
)
def test_resume_is_bit_exact(tmp_path, options, tail, stop):
    train(toy_cfg(tmp_path / 'whole', options, tail))
    whole = tmp_path / 'whole' / 'work' / 'iter_8.pth'
    assert load_checkpoint_file(whole)['random_states']

    # A run that was killed after `stop` iterations is the uninterrupted one without what came
    # later. Checkpoints up to there are kept for that.
    train(
        toy_cfg(tmp_path / 'part', {**options, 'default_hooks.checkpoint.max_keep_ckpts': 4}, tail)
    )
    part = tmp_path / 'part' / 'work'
    for later in range(stop + 2, 9, 2):
        (part / f'iter_{later}.pth').unlink()
    (part / 'last_checkpoint').unlink()

    torch.manual_seed(99)  # the new process knows nothing of the old one's random state
    np.random.seed(99)  # noqa: NPY002
    train(toy_cfg(tmp_path / 'part', options, tail), resume=True)
    assert not same(weights_of(whole), weights_of(part / 'iter_8.pth'))


def test_dropout_and_augmentation_do_depend_on_the_random_state(tmp_path):
    """Without the hook the test above would fail: its equality is not for want of randomness."""
    cfg = toy_cfg(tmp_path, {'default_hooks.checkpoint.max_keep_ckpts': 4})
    del cfg.default_hooks.random_state
    train(cfg.copy())
    work = tmp_path / 'work'
    before = weights_of(work / 'iter_8.pth')
    train(cfg, resume=work / 'iter_4.pth')
    assert same(before['state_dict'], weights_of(work / 'iter_8.pth')['state_dict'])


def test_validation_does_not_change_training(tmp_path):
    train(toy_cfg(tmp_path / 'with'))
    train(toy_cfg(tmp_path / 'without'), validate=False)
    with_, without = (
        weights_of(tmp_path / name / 'work' / 'iter_8.pth') for name in ('with', 'without')
    )
    assert not same(with_['state_dict'], without['state_dict'])


def test_best_checkpoint_by_delta_m_and_rotation(tmp_path):
    runner = train(toy_cfg(tmp_path, {'default_hooks.checkpoint.max_keep_ckpts': 2}))
    work = tmp_path / 'work'
    assert sorted(path.name for path in work.glob('iter_*')) == ['iter_6.pth', 'iter_8.pth']
    (best,) = work.glob('best_*')
    history = runner.message_hub.get_scalar('val/multi_task/delta_m').data[0]
    assert best.name == f'best_multi_task_delta_m_iter_{4 * (1 + int(np.argmax(history)))}.pth'
    assert 'optimizer' not in load_checkpoint_file(best)
    assert (work / 'last_checkpoint').read_text() == 'iter_8.pth'


def test_a_missing_best_metric_is_named_before_the_first_iteration(tmp_path):
    options = {'default_hooks.checkpoint.save_best': 'semseg/mIuO'}
    cfg = toy_cfg(tmp_path, {**options, 'train_cfg.val_interval': 1000})  # so no validation tells
    with pytest.raises(KeyError, match=r"save_best='semseg/mIuO'.*semseg/mIoU"):
        train(cfg)


def test_the_old_checkpoint_goes_only_after_the_new_one_has_come(tmp_path, monkeypatch):
    """Whatever write fails, a checkpoint that can be resumed from is left."""
    options = {'default_hooks.checkpoint.max_keep_ckpts': 1}
    write = AtomicBackend.put
    written = []

    def failing(self, obj, filepath):
        if len(written) == 3:
            raise OSError(28, 'disk full')
        written.append(str(filepath))
        write(self, obj, filepath)

    monkeypatch.setattr(AtomicBackend, 'put', failing)
    with pytest.raises(OSError, match='disk full'):
        train(toy_cfg(tmp_path, options))
    checkpoint = find_checkpoint(tmp_path / 'work')
    assert checkpoint.name == 'iter_4.pth' or checkpoint.name == 'iter_2.pth'
    assert load_checkpoint_file(checkpoint)['optimizer']
    monkeypatch.undo()
    unfinished = tmp_path / 'work' / f'iter_6.pth{UNFINISHED}'
    unfinished.write_bytes(b'left by a kill')
    train(toy_cfg(tmp_path, options), resume=True)
    assert not unfinished.exists()
    assert find_checkpoint(tmp_path / 'work').name == 'iter_8.pth'


def test_a_nan_loss_stops_the_run_names_the_task_and_keeps_the_checkpoint(tmp_path):
    # Images are drawn in a random order: the one with the NaN comes in the first epoch.
    config = write_config(tmp_path, {'train_dataloader.dataset.nan_depth': 3})
    result = tool('train.py', config)
    assert result.returncode == 1
    last = result.stderr.strip().splitlines()[-1]
    assert 'Non-finite loss' in last and 'loss_depth' in last and 'loss_semseg' not in last
    for path in (tmp_path / 'work').glob('iter_*.pth'):
        assert all(v.isfinite().all() for v in load_checkpoint_file(path)['state_dict'].values())


def test_a_moved_work_dir_can_be_resumed(tmp_path):
    train(toy_cfg(tmp_path, {'max_iters': 4}))
    shutil.move(tmp_path / 'work', tmp_path / 'moved')
    assert find_checkpoint(tmp_path / 'moved') == tmp_path / 'moved' / 'iter_4.pth'
    (tmp_path / 'moved' / 'last_checkpoint').write_text('')  # as a kill of older programs left it
    assert find_checkpoint(tmp_path / 'moved') == tmp_path / 'moved' / 'iter_4.pth'


def test_weights_that_are_not_finite_are_never_written(tmp_path, monkeypatch):
    def step(optimizer, closure=None):
        next(iter(optimizer.param_groups[0]['params'])).data.fill_(float('nan'))

    monkeypatch.setattr(torch.optim.Adam, 'step', step)
    with pytest.raises(FloatingPointError, match='weights of .* are NaN or infinite'):
        train(toy_cfg(tmp_path, {'default_hooks.checkpoint.interval': 1}))
    assert not list((tmp_path / 'work').glob('*.pth'))
