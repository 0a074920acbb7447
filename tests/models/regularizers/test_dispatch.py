"""Which renderer is taken, and what is said about it."""

import pytest

from mtl3d.models.regularizers.rendering import dispatch
from mtl3d.models.regularizers.rendering.dispatch import choose_backend


@pytest.fixture
def said(monkeypatch):
    lines = []
    monkeypatch.setattr(dispatch, 'print_log', lambda line, *_: lines.append(line))
    dispatch._tell_once.cache_clear()
    return lines


def test_auto_takes_the_compiled_loops_on_a_cpu(said):
    assert choose_backend('auto', 'cpu') == 'numba'
    assert said == []


def test_auto_falls_back_with_one_log_line(said, monkeypatch):
    monkeypatch.setattr(dispatch, 'find_spec', lambda name: None)
    assert [choose_backend('auto', 'cuda') for _ in range(3)] == ['separable'] * 3
    assert said == ["The regularizer renders with backend 'separable': Triton is not installed."]


def test_auto_takes_triton_on_cuda(said, monkeypatch):
    monkeypatch.setattr(dispatch, 'find_spec', lambda name: object())
    assert choose_backend('auto', 'cuda') == 'triton'


def test_a_backend_that_cannot_work_says_why(monkeypatch):
    monkeypatch.setattr(dispatch, 'find_spec', lambda name: object())
    monkeypatch.setattr(dispatch, '_triton_is_interpreted', lambda: False)
    with pytest.raises(ValueError, match="backend='triton': Triton renders on CUDA devices"):
        choose_backend('triton', 'cpu')
    with pytest.raises(ValueError, match="backend='numba': numba renders on the CPU"):
        choose_backend('numba', 'cuda')
    with pytest.raises(ValueError, match="backend='fast': valid are auto"):
        choose_backend('fast', 'cpu')
