"""No method mixes tensors of the CPU and of a GPU; found without a GPU."""

import sys

import pytest
from test_configs import path_of
from toy_run import ROOT, run

backend_registration = pytest.importorskip('torch.utils.backend_registration')

#: Every decoder and encoder, and the renderers that are plain torch.
STEMS = (
    'astmt_seresnet26_synthrooms', 'atrc_hrnet18s_synthrooms', 'crossstitch_resnet18_synthrooms',
    'invpt_vitt_synthrooms', 'mtan_resnet18_synthrooms', 'mtinet_hrnet18s_synthrooms',
    'padnet_hrnet18s_synthrooms_3dreg', 'pap_hrnet18s_synthrooms',
    'psd_hrnet18s_synthrooms_3dreg', 'vanilla_hrnet18s_synthrooms',
)  # fmt: skip


@pytest.mark.skipif(
    not hasattr(backend_registration, '_setup_privateuseone_for_python_backend'),
    reason='this version of PyTorch cannot register a device from Python',
)
def test_no_method_mixes_devices():
    paths = [path_of(stem) for stem in STEMS]
    done = run(sys.executable, ROOT / 'tests/fake_gpu.py', *paths, timeout=300)
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stdout.split() == list(STEMS)
