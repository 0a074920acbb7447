"""Operations and memory of the renderers, counted without a GPU."""

import json
from importlib.util import find_spec

import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode

from tools.benchmark import main
from tools.benchmarks.operations import _Recorder, count
from tools.benchmarks.regularizer import Case

#: The scene whose targets the issue of the renderers names: 56 x 72 rays, 48 samples, 6 images.
CASE = Case(56, 72, 48, 6, 4)


def test_operations_that_compute_are_counted_and_memory_that_lives_at_a_time():
    with FakeTensorMode():
        known = torch.empty(1000)
        with _Recorder([known]) as recorder:
            first = known + 1  # 4000 bytes, in whole granules of 512
            second = first.view(10, 100)[0]  # nothing new
            del first, second
            third = torch.empty(100)  # no kernel
            third.add_(1)
    assert recorder.operations == 2
    assert recorder.peak == 4096


def test_the_command_compares_the_renderers(tmp_path, capsys):
    out = tmp_path / 'out.json'
    main(['operations', '--size', '2x3', '--samples', '4', '--batch', '1', '--json', str(out)])
    rows = {row['backend']: row for row in json.loads(out.read_text())['rendering']}
    assert {'reference', 'separable'} <= set(rows)
    assert rows['reference']['operations'] > 100
    assert 'times leaner' in capsys.readouterr().out


@pytest.mark.skipif(not find_spec('triton'), reason='Triton is not installed')
def test_triton_takes_a_fiftieth_of_the_memory_and_starts_fewer_operations():
    reference, triton = count(CASE, 'reference'), count(CASE, 'triton')
    assert triton['peak_bytes'] * 50 <= reference['peak_bytes']
    assert triton['operations'] < reference['operations']
