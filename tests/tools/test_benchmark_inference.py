"""The inference benchmark counts what is known from elsewhere, and times what runs."""

import json

import pytest
from toy_run import ROOT, tool

from tools.benchmarks.inference import measure


def test_counts_of_invpt():
    row = measure(ROOT / 'configs/invpt/invpt_vitb_nyud.py', repeats=0)
    assert row['parameters'] == 160_823_896
    assert row['backbone'] == 86_422_272
    # The published program needs 687.4, of which one convolution of 768 to 576 channels on 28 x 36
    # positions has no effect and is not run here.
    dead = 2 * 768 * 576 * 9 * 28 * 36 / 1e9
    assert row['gflops'] + dead == pytest.approx(687.4, abs=0.05)
    assert row['seconds'] is None


def test_command_writes_its_numbers(tmp_path):
    out, table = tmp_path / 'out.json', tmp_path / 'table.md'
    config = ROOT / 'configs/invpt/invpt_vitt_synthrooms_3dreg.py'
    done = tool(
        'benchmark.py', 'inference', config, '--repeats', '1', '--json', out, '--markdown', table
    )
    assert done.returncode == 0, done.stderr
    report = json.loads(out.read_text())
    (row,) = report['models']
    assert row['parameters'] == 1_904_788  # without the regularizer
    assert row['seconds'] > 0 and row['cpu_seconds'] > 0
    assert '| invpt_vitt_synthrooms_3dreg | 96 x 128 | 1 904 788 |' in table.read_text()
