"""Every work-around, against the fault that it works around."""

import pickle
import subprocess
import sys
import warnings

import pytest
import torch
from mmengine.config import Config
from mmengine.runner import CheckpointLoader

from mtl3d.utils import compat


def test_torchvision_imports_in_a_fresh_process_whatever_build_is_installed():
    code = (
        'from mtl3d.utils.compat import ensure_torchvision; ensure_torchvision(); '
        'import torchvision, timm; ensure_torchvision()'
    )
    result = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr


def test_torchvision_absent_is_fine_and_other_faults_are_not_hidden(monkeypatch):
    monkeypatch.setitem(sys.modules, 'torchvision', None)  # import raises ModuleNotFoundError
    compat.ensure_torchvision()

    class Broken:
        def find_spec(self, name, path=None, target=None):
            if name == 'torchvision':
                raise RuntimeError('another fault')

    monkeypatch.delitem(sys.modules, 'torchvision')
    monkeypatch.setattr(sys, 'meta_path', [Broken(), *sys.meta_path])
    with pytest.raises(RuntimeError, match='another fault'):
        compat.ensure_torchvision()


@pytest.fixture
def no_gpu(monkeypatch):
    monkeypatch.setattr(torch.cuda, 'is_available', lambda: False)
    started = []
    monkeypatch.setattr(torch.distributed, 'init_process_group', started.append)
    return started


def test_cpu_processes_use_gloo_and_no_device_id(no_gpu):
    cfg = Config(dict(launcher='pytorch', env_cfg=dict(dist_cfg=dict(backend='nccl'))))
    cfg.find_unused_parameters = True
    compat.setup_cpu_dist(cfg)
    assert no_gpu == ['gloo']
    assert cfg.env_cfg.dist_cfg.backend == 'gloo'
    assert cfg.model_wrapper_cfg.device_ids is None
    assert cfg.model_wrapper_cfg.find_unused_parameters


def test_one_process_or_a_gpu_is_left_alone(no_gpu, monkeypatch):
    compat.setup_cpu_dist(Config(dict(launcher='none')))
    monkeypatch.setattr(torch.cuda, 'is_available', lambda: True)
    cfg = Config(dict(launcher='pytorch'))
    compat.setup_cpu_dist(cfg)
    assert no_gpu == [] and 'model_wrapper_cfg' not in cfg


def test_slurm_on_a_cpu_is_refused(no_gpu):
    with pytest.raises(ValueError, match=r"launcher='slurm' needs GPUs.*dist_train.sh"):
        compat.setup_cpu_dist(Config(dict(launcher='slurm')))


def test_a_depthwise_convolution_s_gradient_differs_in_a_stride_of_no_meaning():
    convolution = torch.nn.Conv2d(8, 8, 3, groups=8)
    convolution(torch.rand(2, 6, 6, 8).permute(0, 3, 1, 2)).sum().backward()
    weight, gradient = convolution.weight, convolution.weight.grad
    assert weight.is_contiguous() and gradient.is_contiguous()
    if weight.stride() == gradient.stride():
        pytest.skip('no such strides with this build of torch')
    compat.ignore_ddp_warnings()
    warnings.warn('Grad strides do not match bucket view strides.', UserWarning, stacklevel=1)
    warnings.warn('`broadcast_buffers` is deprecated. Use', FutureWarning, stacklevel=1)
    with pytest.raises(UserWarning, match='another'):
        warnings.warn('another', UserWarning, stacklevel=1)


class Poison:
    """Pickles into a call that leaves a trace."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (open, (str(self.path), 'w'))


@pytest.mark.parametrize('loader', [compat.load_checkpoint_file, CheckpointLoader.load_checkpoint])
def test_a_poisoned_checkpoint_is_refused_without_running_it(tmp_path, loader):
    compat.refuse_pickles()
    trace = tmp_path / 'executed'
    torch.save(dict(state_dict={}, evil=Poison(trace)), tmp_path / 'poison.pth')
    with pytest.raises(ValueError, match='was refused'):
        loader(str(tmp_path / 'poison.pth'))
    assert not trace.exists()
    # The poison works where it is unpickled: the test would notice a loader that does.
    pickle.loads(pickle.dumps(Poison(trace))).close()
    assert trace.exists()


def test_urls_are_read_without_unpickling_too(monkeypatch):
    compat.refuse_pickles()
    seen = {}
    monkeypatch.setattr(
        torch.hub, 'load_state_dict_from_url', lambda url, **kwargs: seen.update(kwargs) or {}
    )
    CheckpointLoader.load_checkpoint('https://host/file.pth')
    assert seen['weights_only'] is True


def test_missing_and_truncated_checkpoints_are_named(tmp_path):
    path = tmp_path / 'model.pth'
    with pytest.raises(FileNotFoundError, match='model.pth does not exist'):
        compat.load_checkpoint_file(path)
    torch.save(dict(weight=torch.zeros(1000)), path)
    assert compat.load_checkpoint_file(path)['weight'].shape == (1000,)
    whole = path.read_bytes()
    for length in (0, 100, len(whole) // 2):
        path.write_bytes(whole[:length])
        with pytest.raises(ValueError, match='model.pth'):
            compat.load_checkpoint_file(path)


def test_one_process_is_not_ended_early():
    compat.end_process(3)


def test_one_of_several_cpu_processes_ends_at_once_with_all_that_it_had_to_do():
    script = """
import atexit
import torch.distributed as dist
from mtl3d.utils.compat import end_process

dist.init_process_group('gloo', store=dist.HashStore(), rank=0, world_size=1)
atexit.register(print, 'at exit')
print('done')
end_process(3)
print('never')
"""
    done = subprocess.run([sys.executable, '-c', script], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (3, 'done\nat exit\n'), done.stderr
