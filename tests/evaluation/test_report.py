"""The one table of all results and its JSON form."""

import dataclasses
import io
import json
import math
from pathlib import Path

import pytest
import torch
from mmengine.structures import PixelData
from rich.console import Console

from mtl3d.evaluation import (
    MultiTaskEvaluator,
    collect_rows,
    metric_variants,
    results_dict,
    results_table,
)
from mtl3d.evaluation.metrics import MultiTaskDelta
from mtl3d.structures import MultiTaskDataSample


@pytest.fixture
def rows() -> list:
    metrics = [
        dict(type='SemSegMetric', num_classes=3, bootstrap=20),
        dict(type='DepthMetric'),
        dict(type='MultiTaskDelta', single_task=dict(semseg=50.0, depth=1.0)),
    ]
    evaluator = MultiTaskEvaluator(metrics=metric_variants(metrics, protocols=['clean']))
    for img_id in range(2):
        gt = PixelData(semseg=torch.tensor([[[0, 1]]]), depth=torch.tensor([[[1.0, 2.0]]]))
        pred = PixelData(semseg=torch.tensor([[[0, 1]]]), depth=torch.tensor([[[1.5, 2.5]]]))
        evaluator.process([MultiTaskDataSample(gt=gt, pred=pred, metainfo=dict(img_id=img_id))])
    return collect_rows(evaluator.metrics, evaluator.evaluate(2))


def test_protocols_are_shown_only_where_they_differ(rows: list) -> None:
    keys = [row.key for row in rows]
    assert 'semseg/mIoU' in keys and 'semseg.clean/mIoU' in keys  # a class is absent
    assert 'depth/rmse' in keys and 'depth.clean/rmse' not in keys
    assert keys[-1] == 'multi_task/delta_m'


def test_rows_tell_all_there_is_to_know(rows: list) -> None:
    by_key = {row.key: row for row in rows}
    miou = by_key['semseg/mIoU']
    assert (miou.protocol, miou.field, miou.num_images) == ('published', 'pred', 2)
    assert miou.value == pytest.approx(200 / 3) and miou.unit == '%'
    assert miou.interval == pytest.approx((200 / 3, 200 / 3))
    assert by_key['depth/rmse'].unit == 'm' and by_key['depth/abs_rel'].unit == ''
    assert by_key['multi_task/delta_m'].num_images is None


def test_table_prints_every_row(rows: list) -> None:
    console = Console(width=140, record=True, file=io.StringIO())
    console.print(results_table(rows))
    text = console.export_text()
    for row in rows:
        assert row.metric in text and f'{row.value:.4f}' in text
    assert '95 % interval' in text and 'clean' in text


def test_json_serves_as_single_task_numbers(rows: list, tmp_path: Path) -> None:
    path = tmp_path / 'results.json'
    path.write_text(json.dumps(results_dict(rows), allow_nan=False))
    delta = MultiTaskDelta(single_task=str(path), tasks=['semseg', 'depth'])
    own = json.loads(path.read_text())['metrics']
    assert delta.compute(own) == {'multi_task/delta_m': 0.0}


def test_nan_becomes_null(rows: list) -> None:
    broken = [dataclasses.replace(rows[0], value=math.nan, interval=(math.nan, math.nan))]
    content = json.loads(json.dumps(results_dict(broken), allow_nan=False))
    assert content['metrics'][rows[0].key] is None
    assert content['rows'][0]['interval'] == [None, None]
