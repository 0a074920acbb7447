"""A complete tiny training run: data set, config and command lines."""

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmengine.config import Config
from torch.utils.data import Dataset
from toy import TASKS_CFG, toy_model_cfg, toy_sample

from mtl3d.apis.configuration import load_config, prepare
from mtl3d.registry import DATASETS

ROOT = Path(__file__).resolve().parents[1]
TASKS = ('semseg', 'depth', 'normals')


@DATASETS.register_module()
class ToyDataset(Dataset):
    """Random images and labels, with an augmentation that draws from torch and NumPy.

    Args:
        length: Number of images.
        augment: Add random noise to the images.
        nan_depth: Index of an image whose depth label is NaN.
    """

    metainfo: dict[str, Any] = dict(
        classes=dict(semseg=tuple('abcde')), palette=dict(semseg=np.zeros((5, 3), dtype=np.uint8))
    )

    def __init__(
        self, *, length: int = 10, augment: bool = False, nan_depth: int | None = None
    ) -> None:
        self.length = length
        self.augment = augment
        self.nan_depth = nan_depth

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, index: int) -> dict[str, Any]:
        item = toy_sample(index, tasks=TASKS)
        if self.augment:
            noise = torch.rand(item['inputs'].shape) * 50 + np.random.rand()  # noqa: NPY002
            item['inputs'] = item['inputs'].float() + noise
        if index == self.nan_depth:
            item['data_samples'].gt.depth.fill_(float('nan'))
        return item


def write_config(folder: Path, options: Mapping[str, Any] | None = None, tail: str = '') -> Path:
    """Write the config file of a toy run of 8 iterations.

    Args:
        folder: Where ``toy_run.py`` and its work dir go.
        options: Dotted key -> value, merged in.
        tail: Further lines of the file.
    """
    loader = dict(
        batch_size=2,
        num_workers=0,
        persistent_workers=True,
        sampler=dict(type='DefaultSampler', shuffle=False),
        dataset=dict(type='ToyDataset', length=5),
    )
    train_loader = {
        **loader,
        'sampler': dict(type='InfiniteSampler', shuffle=True),
        'dataset': dict(type='ToyDataset', augment=True),
    }
    metrics = [
        dict(type='SemSegMetric', num_classes=5),
        dict(type='DepthMetric'),
        dict(type='NormalsMetric'),
        dict(type='MultiTaskDelta', single_task=dict(semseg=20.0, depth=2.0, normals=90.0)),
    ]
    evaluator = dict(type='MultiTaskEvaluator', metrics=metrics)
    model = toy_model_cfg(
        backbone=dict(type='ToyBackbone', dropout=0.3),
        tasks={name: TASKS_CFG[name] for name in TASKS},
    )
    bases = ['schedules/poly_40k.py', 'default_runtime.py']
    path = folder / 'toy.py'
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(
        f'_base_ = {[str(ROOT / "configs/_base_" / base) for base in bases]}\n'
        "custom_imports = dict(imports=['toy_run'], allow_failed_imports=False)\n"
        f'model = {model}\n'
        f'train_dataloader = {train_loader}\n'
        f'val_dataloader = {loader}\n'
        f'test_dataloader = {loader}\n'
        f'val_evaluator = {evaluator}\n'
        f'test_evaluator = {evaluator}\n'
        f'work_dir = {str(folder / "work")!r}\n'
        "visualizer = dict(_delete_=True, type='Visualizer', vis_backends=[])\n"
        f'{tail}\n'
    )
    defaults = {
        'max_iters': 8,
        'train_cfg.val_interval': 4,
        'default_hooks.checkpoint.interval': 2,
        'default_hooks.logger.interval': 1,
        'optim_wrapper.optimizer.lr': 0.01,
    }
    cfg = load_config(path, {**defaults, **(options or {})})
    cfg.dump(str(path))
    return path


def toy_cfg(folder: Path, options: Mapping[str, Any] | None = None, tail: str = '') -> Config:
    """The config of a toy run, ready for :func:`mtl3d.apis.train.train`."""
    return prepare(load_config(write_config(folder, options, tail)))


def run(
    *command: str | Path, timeout: float = 600, **environment: str
) -> subprocess.CompletedProcess[str]:
    """Run a command of the repository in another process, for at most ``timeout`` seconds."""
    return subprocess.run(
        [str(part) for part in command],
        cwd=ROOT,
        env={**os.environ, 'PYTHONPATH': str(ROOT / 'tests'), 'PYTHON': sys.executable}
        | {'OMP_NUM_THREADS': '1'}
        | environment,
        capture_output=True,
        text=True,
        timeout=timeout,
    )


def tool(name: str, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Run ``tools/<name>``."""
    return run(sys.executable, ROOT / 'tools' / name, *arguments)


def same(left: Any, right: Any, path: str = '') -> Sequence[str]:
    """Compare two nested structures bit by bit; returns the paths where they differ."""
    if isinstance(left, Mapping):
        if set(left) != set(right):
            return [f'{path}: {set(left) ^ set(right)}']
        return [d for key in left for d in same(left[key], right[key], f'{path}.{key}')]
    if isinstance(left, list | tuple):
        if len(left) != len(right):
            return [path]
        pairs = enumerate(zip(left, right, strict=True))
        return [d for i, (a, b) in pairs for d in same(a, b, f'{path}.{i}')]
    if isinstance(left, torch.Tensor):
        return [] if torch.equal(left, right) else [path]
    return [] if left == right else [path]
