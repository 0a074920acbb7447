"""The code of docs/add_a_task.md runs as printed, and the task it adds trains and is scored."""

import math
import re
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from mmengine.structures import PixelData

from mtl3d.evaluation import MultiTaskEvaluator
from mtl3d.models.loss_terms import labelled_loss
from mtl3d.registry import DATASETS, METRICS, TASKS
from mtl3d.structures import LABEL_SPECS, MultiTaskDataSample

PAGE = Path(__file__).parents[1] / 'docs' / 'add_a_task.md'


@pytest.fixture
def config() -> Iterator[dict]:
    blocks = re.findall(r'```python\n(.*?)```', PAGE.read_text(), flags=re.DOTALL)
    scope: dict = {'__name__': 'albedo'}
    for block in blocks:
        exec(compile(block, str(PAGE), 'exec'), scope)
    yield scope
    del LABEL_SPECS['albedo']
    TASKS.module_dict.pop('AlbedoTask')
    TASKS.module_dict.pop('LogDepthTask')
    DATASETS.module_dict.pop('RoomsWithAlbedo')
    METRICS.module_dict.pop('AlbedoMetric')


def test_albedo_trains_and_is_scored(config: dict) -> None:
    task = TASKS.build(config['model']['tasks']['albedo'])
    assert task.loss_weight == 2.0
    label = 0.1 + 0.8 * torch.rand(3, 4, 6)
    sample = MultiTaskDataSample(gt=PixelData(albedo=label), metainfo=dict(img_id=0))
    logits = torch.zeros(1, 3, 2, 3, requires_grad=True)
    loss = labelled_loss(task.loss, 'albedo', logits, [sample])
    loss.backward()
    assert loss.item() == pytest.approx((label - 0.5).abs().mean().item()) and logits.grad.any()

    activated = task.activate(torch.zeros(1, 3, 4, 6))
    sample.pred = PixelData(albedo=task.decode(activated)[0])
    evaluator = MultiTaskEvaluator(metrics=config['val_evaluator']['metrics'])
    evaluator.process([sample])
    results = evaluator.evaluate(1)
    mse = ((label - 0.5) ** 2).mean().item()
    assert results['albedo/mse'] == pytest.approx(mse)
    assert results['multi_task/delta_m'] == pytest.approx(100 * (0.02 - mse) / 0.02, rel=1e-5)


def test_albedo_is_a_label_of_the_rooms(config: dict, tmp_path: Path) -> None:
    path = tmp_path / 'rooms/room_0000/view_0/albedo.png'
    path.parent.mkdir(parents=True)
    cv2.imwrite(str(path), np.full((4, 6, 3), 51, np.uint8))
    dataset = DATASETS.build(
        dict(type='RoomsWithAlbedo', data_root=str(tmp_path), ann_file='train.txt', lazy_init=True)
    )
    (pattern,) = dataset.LABEL_FILES['albedo']
    label = pattern.read(str(tmp_path / pattern.path.format(id='room_0000/view_0')))
    assert label.shape == (4, 6, 3) and np.allclose(label, 0.2)
    assert 'depth' in dataset.tasks


def test_log_depth_ignores_what_was_not_measured(config: dict) -> None:
    task = TASKS.build(dict(type='LogDepthTask'))
    logits = torch.full((1, 1, 1, 2), 2.0, requires_grad=True)
    loss = task.loss(logits, torch.tensor([[[[1.0, 0.0]]]]))
    loss.backward()
    assert loss.item() == pytest.approx(math.log(2))
    assert logits.grad.flatten().tolist() == [0.5, 0.0]
