"""The regularizer's benchmark: table, JSON and plot, and what it says of what it cannot measure."""

import json

import pytest
from toy_run import ROOT

from mtl3d.utils.image_io import read_picture
from tools.benchmark import main
from tools.benchmarks import regularizer

CONFIG = ROOT / 'configs/invpt/invpt_vitt_synthrooms_3dreg.py'


@pytest.fixture
def quick(monkeypatch):
    """Leave the probes of the machine out, which take longer than these scenes."""
    rates = ('triad_bytes_per_second', 'matmul_flops_per_second', 'operation_seconds')
    monkeypatch.setattr(regularizer, '_probe', lambda device: dict.fromkeys(rates, 1.0))


def measure(out, *options, sizes=('2x3',), backends=('separable', 'reference')):
    """Run the command on tiny scenes; returns what it has written."""
    words = ['--sizes', *sizes, '--samples', '8', '--batches', '1', '--backends', *backends]
    main(['regularizer', *words, '--repeats', '1', '--json', str(out), *options])
    return json.loads(out.read_text())


def test_every_renderer_and_the_share_of_a_step(tmp_path, capsys):
    out = tmp_path / 'new' / 'out.json'
    report = measure(out, '--tasks', '4', '5', '--steps', str(CONFIG), '--step-batch-size', '1')
    assert {(r['tasks'], r['backend'], r['backward']) for r in report['rendering']} == {
        (tasks, backend, backward)
        for tasks in (4, 5)
        for backend in ('reference', 'separable')
        for backward in (False, True)
    }
    for row in report['rendering']:
        assert row['points'] == 48
        assert 0 < row['min'] <= row['median'] <= row['max']
    (step,) = report['steps']
    assert step['batch'] == 1
    assert step['share'] == pytest.approx(1 - step['base']['median'] / step['whole']['median'])
    assert all(rate > 0 for rate in report['probes'].values())
    printed = capsys.readouterr().out
    for column in ('scene', 'backend', 'median', 'CPU', 'peak', 'times faster', 'times leaner'):
        assert column in printed
    assert read_picture(out.with_suffix('.png')).shape[2] == 3


def test_a_scene_beyond_the_memory_is_reported_and_the_others_are_measured(tmp_path, quick, capsys):
    """The reference's first tensor of the larger scene takes 134 MB.

    The allocator asks the system for a tensor of this size, however much of what earlier tests
    freed it still holds.
    """
    out = tmp_path / 'out.json'
    options = '--tasks', '4', '--memory', '0.05', '--steps'
    report = measure(out, *options, sizes=['256x256', '4x4'], backends=['reference'])
    failed = [(row['height'], row.get('failed')) for row in report['rendering'] if row['backward']]
    assert failed == [(4, None), (256, 'out of memory')]
    assert 'out of memory' in capsys.readouterr().out
    assert out.with_suffix('.png').exists()


def test_a_renderer_that_fails_does_not_stop_the_others(tmp_path, quick, monkeypatch, capsys):
    render = regularizer.render

    def broken(*scene, backend):
        if backend == 'separable':
            raise RuntimeError('no such kernel')
        return render(*scene, backend=backend)

    monkeypatch.setattr(regularizer, 'render', broken)
    out = tmp_path / 'out.json'
    with pytest.raises(ChildProcessError, match='2 of 4 measurements failed'):
        measure(out, '--tasks', '4', '--steps')
    rows = json.loads(out.read_text())['rendering']
    failed = 'RuntimeError: no such kernel'
    assert [row.get('failed') for row in rows] == [failed, failed, None, None]
    assert 'in broken' in capsys.readouterr().err  # where it failed


def test_a_slow_renderer_gets_no_larger_scenes(tmp_path, quick, capsys):
    out = tmp_path / 'out.json'
    options = '--tasks', '4', '--patience', '0', '--steps'
    rows = measure(out, *options, sizes=['2x3', '3x4'])['rendering']
    assert [(row['height'], row['backend']) for row in rows] == [
        (2, backend) for backend in ('separable', 'separable', 'reference', 'reference')
    ]
    assert 'separable gets no larger scenes' in capsys.readouterr().out


def test_a_config_without_a_regularizer_is_refused_before_any_work(tmp_path):
    with pytest.raises(ValueError, match='has no regularizer whose share'):
        measure(tmp_path / 'out.json', '--steps', str(ROOT / 'configs/invpt/invpt_vits_nyud.py'))
