"""Mixed precision, which MMEngine offers on a GPU only: ``pytest -m gpu``."""

import pytest
import torch
from toy_run import toy_cfg

from mtl3d.apis.configuration import use_amp
from mtl3d.apis.train import train

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason='needs a CUDA device'),
]


@pytest.mark.parametrize('precision', ['bf16', 'fp16'])
def test_a_run_in_mixed_precision_stays_close_to_float32(tmp_path, precision):
    losses = {}
    for name in ('float32', precision):
        cfg = toy_cfg(tmp_path / name)
        if name != 'float32':
            use_amp(cfg, precision)
        runner = train(cfg, validate=False)
        losses[name] = runner.message_hub.get_scalar('train/loss').mean()
    assert losses[precision] == pytest.approx(losses['float32'], rel=0.02)
