"""Every method trains on two processes."""

import json
import math
import sys

import pytest
from test_configs import TINY
from toy_run import ROOT, run

from mtl3d.datasets.synthesis import SynthRoomsSpec, write_synth_rooms


@pytest.mark.ddp
def test_tiny_configs_train_on_two_processes(tmp_path):
    size = dict(height=48, width=64, samples=1)
    spec = SynthRoomsSpec(train_rooms=4, val_rooms=0, views=2, **size)
    list(write_synth_rooms(tmp_path, spec))
    torchrun = (sys.executable, '-m', 'torch.distributed.run', '--standalone', '--nproc_per_node=2')
    done = run(
        *torchrun, ROOT / 'tests/two_processes.py', *TINY,
        DATA_ROOT=str(tmp_path), CUDA_VISIBLE_DEVICES='', timeout=900,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    results = [json.loads(line) for line in done.stdout.splitlines() if line.startswith('{')]
    assert [result['config'] for result in results] == [str(path) for path in TINY]
    for result in results:
        first, second = result['losses']
        assert len(first) == len(second) == 2, result
        assert all(math.isfinite(loss) for loss in first + second), result
        assert first != second, result  # each process has images of its own
        assert result['same_weights'], result
