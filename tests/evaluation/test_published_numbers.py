"""From raw predictions to losses and scores, as the original programs of InvPT and ATRC have them.

The files in tests/data/losses_metrics hold what those programs print for random tensors; here the
same tensors go through a task (loss, activate, decode) and its metric.
"""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from mtl3d.evaluation.metrics import (
    DepthMetric,
    HumanPartsMetric,
    NormalsMetric,
    PerImageMetric,
    SaliencyMetric,
    SemSegMetric,
)
from mtl3d.models.losses import balanced_bce
from mtl3d.models.tasks import (
    DepthTask,
    EdgeTask,
    HumanPartsTask,
    NormalsTask,
    SaliencyTask,
    SemSegTask,
    Task,
)
from mtl3d.structures import LABEL_SPECS

DATA = Path(__file__).parents[1] / 'data' / 'losses_metrics'
INVPT = json.loads((DATA / 'invpt_losses_metrics.json').read_text())
ATRC = json.loads((DATA / 'atrc_losses_metrics.json').read_text())
NAMES = dict(sal='saliency')  # the originals' key -> ours
CLASSES = dict(nyud=40, pascal=21)
WEIGHTS = dict(semseg=1, human_parts=2, depth=1, normals=10, edge=50, sal=5)


def _task(name: str, dataset: str) -> Task:
    return {
        'semseg': lambda: SemSegTask(num_classes=CLASSES[dataset]),
        'human_parts': HumanPartsTask,
        'depth': DepthTask,
        'normals': NormalsTask,
        'edge': EdgeTask,
        'sal': SaliencyTask,
    }[name]()


def _metric(name: str, dataset: str, protocol: str = 'published') -> PerImageMetric:
    if name == 'semseg':
        return SemSegMetric(num_classes=CLASSES[dataset], protocol=protocol)
    classes = dict(human_parts=HumanPartsMetric, depth=DepthMetric, normals=NormalsMetric)
    return classes.get(name, SaliencyMetric)(protocol=protocol)


def _label(name: str, values: np.ndarray, ignored: np.ndarray) -> Tensor:
    spec = LABEL_SPECS[NAMES.get(name, name)]
    label = torch.from_numpy(values.astype(np.float32)).to(spec.dtype)
    return label.masked_fill(torch.from_numpy(ignored), spec.invalid_value)


def _unit(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def _score(metric: PerImageMetric, task: Task, logits: Tensor, label: Tensor) -> dict[str, float]:
    pred = task.decode(task.activate(logits)).numpy()
    pairs = zip(pred, label.numpy(), strict=True)
    return metric.summarize(np.stack([metric.image_statistics(*pair) for pair in pairs]))


@pytest.mark.parametrize('dataset', ['nyud', 'pascal'])
def test_invpt(dataset: str) -> None:
    golden, shape = INVPT[dataset], (2, 1, 24, 32)
    rng = np.random.default_rng(123)
    draw: dict[str, Callable[[], np.ndarray]] = {
        'semseg': lambda: rng.integers(0, CLASSES[dataset], shape),
        'human_parts': lambda: rng.integers(0, 7, shape),
        'sal': lambda: rng.random(shape) < 0.2,
        'edge': lambda: rng.random(shape) < 0.2,
        'depth': lambda: rng.random(shape) * 9 + 0.5,
        'normals': lambda: _unit(rng.standard_normal((2, 3, 24, 32))),
    }
    tasks = {name: _task(name, dataset) for name in golden['tasks']}

    def predictions() -> dict[str, Tensor]:
        raw = {n: rng.standard_normal((2, t.out_channels, 24, 32)) for n, t in tasks.items()}
        return {name: torch.from_numpy(value.astype(np.float32) * 2) for name, value in raw.items()}

    final, preliminary = predictions(), predictions()
    total = 0.0
    for name, task in tasks.items():
        ignored = rng.random(shape) < 0.1
        label = _label(name, draw[name](), ignored)
        losses = [task.loss(logits[name], label).item() for logits in (final, preliminary)]
        assert losses[0] == pytest.approx(golden['losses'][name], rel=2e-6)
        assert losses[1] == pytest.approx(golden['losses'][f'inter_{name}'], rel=2e-6)
        total += WEIGHTS[name] * sum(losses)
        if name == 'edge':
            # Its "edge loss" is the loss of the probability taken for a logit.
            squashed = balanced_bce(final[name].sigmoid(), label, positive_weight=0.95).item()
            assert squashed == pytest.approx(golden['metrics'][name]['loss'], rel=2e-6)
            continue
        scores = _score(_metric(name, dataset), task, final[name], label)
        for metric, value in golden['metrics'][name].items():
            scale = 100 if metric in ('mIoU', 'maxF') else 1
            assert scores[metric] == pytest.approx(scale * value, rel=1e-6)
    assert total == pytest.approx(golden['losses']['total'], rel=1e-6)


@pytest.mark.parametrize('dataset', ['nyud', 'pascal'])
def test_atrc(dataset: str) -> None:
    golden, shape = ATRC[dataset]['metrics'], (2, 1, 105, 141)
    names = [key.removesuffix('_final') for key in ATRC[dataset]['weighted'] if 'final' in key]
    rng, prediction_rng = np.random.default_rng(1), np.random.default_rng(2)
    draw: dict[str, Callable[[], np.ndarray]] = {
        'semseg': lambda: rng.integers(0, CLASSES[dataset], shape),
        'human_parts': lambda: rng.integers(0, 7, shape),
        'depth': lambda: rng.uniform(0.5, 10.5, shape),
        'edge': lambda: rng.random(shape) < 0.1,
        'sal': lambda: rng.random(shape) < 0.3,
        'normals': lambda: _unit(rng.standard_normal((2, 3, 105, 141))),
    }
    for name in names:
        task = _task(name, dataset)
        ignored = rng.random(shape) < 0.1
        values = draw[name]()
        label = _label(name, values, ignored)
        if name == 'edge':
            continue
        raw = prediction_rng.standard_normal((2, task.out_channels, 105, 141)).astype(np.float32)
        logits = torch.from_numpy(raw)
        if name == 'depth':
            logits = logits + 5
            # The original scores its ignored pixels (255) too; so they must be labels here.
            label = label.masked_fill(torch.from_numpy(ignored), 255)
        # ATRC's maxF compares the probability itself: our clean protocol.
        protocol = 'clean' if name == 'sal' else 'published'
        scores = _score(_metric(name, dataset, protocol), task, logits, label)
        metric = dict(depth='rmse', normals='mean', sal='maxF').get(name, 'mIoU')
        scale = 100 if metric in ('mIoU', 'maxF') else 1
        assert scores[metric] == pytest.approx(scale * golden[name], rel=2e-6)
