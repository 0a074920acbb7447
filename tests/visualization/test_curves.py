"""Curves: the right numbers from the log, and a picture of them."""

import builtins
import json

import numpy as np
import pytest

from mtl3d.visualization import curves


def write_log(folder, records):
    path = folder / 'vis_data' / 'scalars.json'
    path.parent.mkdir(parents=True)
    path.write_text(''.join(json.dumps(record) + '\n' for record in records))
    return path


def training(begin, end, offset=0.0):
    for step in range(begin, end):
        yield {
            'step': step, 'loss': 9.0 / step, 'lr': 1e-3, 'decoder.loss_depth': 4.0,
            'decoder.depth': 2.0 / step + offset, 'regularizer.depth': 3.0 / step,
            'decoder.inter.depth': 4.0 / step, 'decoder.semseg': 1.0 / step,
        }  # fmt: skip
        if step % 4 == 0:
            yield {'step': step, 'depth/rmse': 1.0 / step, 'semseg/mIoU': float(step)}


def test_a_resumed_run_replaces_what_it_repeats(tmp_path):
    write_log(tmp_path / '20260101_000000', training(1, 11))
    write_log(tmp_path / '20260101_010000', training(9, 15, offset=100))
    steps, values = curves.series(curves.read_scalars(tmp_path), 'decoder.depth')
    assert steps.tolist() == list(range(1, 15))
    assert (values[:8] < 100).all() and (values[8:] > 100).all()


def test_a_line_cut_off_by_a_kill_is_left_out(tmp_path):
    path = write_log(tmp_path / 'run', training(1, 5))
    path.write_text(path.read_text() + '{"step": 5, "lo')
    assert curves.series(curves.read_scalars(path), 'loss')[0].tolist() == [1, 2, 3, 4]
    path.write_text('oops\n' + path.read_text())
    with pytest.raises(ValueError, match='line 1'):
        curves.read_scalars(path)


def test_losses_are_the_unweighted_ones_by_task():
    keys = curves.loss_keys(list(training(1, 3)))
    assert keys == {
        'semseg': ['decoder.semseg'],
        'depth': ['decoder.depth', 'regularizer.depth', 'decoder.inter.depth'],
    }
    assert curves.metric_keys(list(training(1, 6))) == ['depth/rmse', 'semseg/mIoU']


def test_the_picture_shows_the_records():
    records = list(training(1, 20))
    drawn = curves.draw_curves(records, title='a run')
    assert drawn.dtype == np.uint8 and drawn.shape[2] == 3 and drawn.shape[0] < drawn.shape[1]
    other = curves.draw_curves([{**r, 'loss': 1.0} if 'loss' in r else r for r in records])
    assert (drawn.shape == other.shape) and (drawn != other).any()


def test_missing_files_records_and_matplotlib_are_named(tmp_path, monkeypatch):
    with pytest.raises(FileNotFoundError, match='scalars.json'):
        curves.read_scalars(tmp_path)
    with pytest.raises(ValueError, match='no losses'):
        curves.draw_curves([{'step': 1, 'lr': 0.1}])

    plain_import = builtins.__import__

    def without_matplotlib(name, *args, **kwargs):
        if name.startswith('matplotlib'):
            raise ImportError(name)
        return plain_import(name, *args, **kwargs)

    monkeypatch.setattr(builtins, '__import__', without_matplotlib)
    with pytest.raises(ImportError, match='pip install matplotlib'):
        curves.draw_curves(list(training(1, 3)))
