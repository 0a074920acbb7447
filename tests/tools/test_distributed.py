"""Two processes on CPU: train, resume, test."""

import json

import pytest
from toy_run import ROOT, run, same, toy_cfg, write_config

from mtl3d.apis.test import test as evaluate
from mtl3d.utils.compat import load_checkpoint_file


@pytest.mark.ddp
def test_an_error_is_all_that_is_printed():
    result = run('bash', ROOT / 'tools/dist_train.sh', 'nowhere.py', '2')
    assert result.returncode == 1
    # The second process repeats it only if the first takes seconds to end.
    assert set(result.stderr.splitlines()) == {'train.py: error: nowhere.py does not exist'}


@pytest.mark.ddp
def test_train_resume_and_test_with_two_processes(tmp_path):
    options = {'max_iters': 4, 'train_cfg.val_interval': 2, 'randomness.diff_rank_seed': True}
    config = write_config(tmp_path, options)
    bash = ['bash', ROOT / 'tools/dist_train.sh', config, '2', '--work-dir']
    whole, part = tmp_path / 'whole', tmp_path / 'part'
    first = run(*bash, whole)
    assert first.returncode == 0, first.stderr[-3000:]
    assert 'Warning' not in first.stderr
    checkpoint = load_checkpoint_file(whole / 'iter_4.pth')
    states = checkpoint['random_states']
    assert len(states) == 2 and same(states[0], states[1])  # not the same

    # Both processes go on exactly as if there had been no interruption.
    second = run(*bash, part, '--resume', whole / 'iter_2.pth')
    assert second.returncode == 0, second.stderr[-3000:]
    resumed = load_checkpoint_file(part / 'iter_4.pth')
    for key in ('state_dict', 'optimizer', 'param_schedulers', 'random_states'):
        assert not same(checkpoint[key], resumed[key]), key

    # Five images on two processes: one is evaluated twice and must count once.
    command = ['bash', ROOT / 'tools/dist_test.sh', config, whole / 'iter_4.pth', '2']
    third = run(*command, '--out', tmp_path / 'two.json')
    assert third.returncode == 0, third.stderr[-3000:]
    report = json.loads((tmp_path / 'two.json').read_text())
    one = {row.key: row.value for row in evaluate(toy_cfg(tmp_path), whole / 'iter_4.pth')}
    assert report['processes'] == 2
    assert report['metrics'] == one
