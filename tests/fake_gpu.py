"""A training step and a prediction of configs on a GPU that is not there.

Fake tensors have shapes, types and devices, but no values, and an operation on tensors of two
devices fails as on a GPU. It is a process of its own, since a device is registered for good:
``fake_gpu.py CONFIG...``.
"""

import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmengine.registry import init_default_scope
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils import backend_registration
from toy import toy_batch

from mtl3d.apis.configuration import load_config
from mtl3d.registry import MODELS
from mtl3d.utils.weights import without_pretrained

GPU = 'gpu:0'


class Backend(backend_registration._DummyBackendModule):
    """What autocast asks a device for."""

    def get_amp_supported_dtype(self) -> list[torch.dtype]:
        return [torch.bfloat16]


def small_model(path: str) -> dict[str, Any]:
    """The model's config with a backbone of few layers, and few points to render."""
    model = without_pretrained(load_config(Path(path)).model.to_dict())
    if 'hrnet' in model['backbone'].get('model_name', ''):
        model['backbone'] = dict(
            type='TimmBackbone', model_name='resnet18', out_indices=(1, 2, 3, 4)
        )
    if 'Heads' not in model['decoder']['type'] and not model.get('auxiliary_tasks'):
        model['tasks'] = dict(list(model['tasks'].items())[:2])  # all tasks' losses are elsewhere
    if model.get('regularizer'):
        backend = 'reference' if 'psd' in path else 'separable'
        model['regularizer'] |= dict(render_size=(4, 6), num_samples=3, backend=backend)
        model['cross_view_symmetric'] = True
    return model


def random_batch(cfg: dict[str, Any]) -> dict[str, Any]:
    """Two images of which the first has a second view; of two tasks only one has labels."""
    tasks = list(cfg['tasks'])
    labelled = tasks[:1] if len(tasks) == 2 else tasks
    height, width = cfg['data_preprocessor']['size']
    first, other, second = (
        toy_batch(index, height=height - 2, width=width - 4, tasks=labelled) for index in range(3)
    )
    if cfg.get('regularizer'):
        view, seen = first['data_samples'][0], second['data_samples'][0]
        seen.image = second['inputs'][0]
        for sample in (view, seen):
            sample.set_metainfo(dict(intrinsics=np.eye(3)))
        view.set_metainfo(dict(relative_pose=np.eye(4)))
        view.second = seen
    return {key: [*first[key], *other[key]] for key in first}


def run(path: str) -> None:
    """Make a training step without the update, and predict."""
    cfg = small_model(path)
    with torch.device('meta'):
        model = MODELS.build(cfg)
    with FakeTensorMode():
        model._apply(lambda tensor: torch.empty(tensor.shape, dtype=tensor.dtype, device=GPU))
        model.data_preprocessor.to(GPU)
        data = model.data_preprocessor(random_batch(cfg), training=True)
        losses = model.train()(**data, mode='loss')
        sum(losses.values()).backward()
        if cfg.get('regularizer'):
            assert any(name.startswith('cross_view.') for name in losses)
            model.outputs = 'all'
        with torch.no_grad():
            data = model.data_preprocessor(random_batch(cfg))
            (sample, _) = model.eval()(**data, mode='predict')
        results = [*losses.values(), *sample.pred.values()]
        results += [p.grad for p in model.parameters() if p.grad is not None]
        assert {str(tensor.device) for tensor in results} == {GPU}


if __name__ == '__main__':
    backend_registration._setup_privateuseone_for_python_backend('gpu', Backend())
    init_default_scope('mtl3d')
    torch._C._set_only_lift_cpu_tensors(True)  # torch.tensor copies lists from the CPU, as it does
    torch.autograd.set_multithreading_enabled(False)  # fake tensors live in one thread
    # Values are looked at only to log them, and to refuse wrong labels.
    torch.Tensor.item = lambda self: 0.0
    torch.Tensor.__bool__ = lambda self: False
    for config in sys.argv[1:]:
        run(config)
        print(Path(config).stem, flush=True)
