"""The one table of all results and its JSON form."""

import dataclasses
import json
import math
from pathlib import Path

import pytest
import torch
from mmengine.structures import PixelData

from mtl3d.evaluation import (
    MultiTaskEvaluator,
    collect_rows,
    draw_table,
    metric_variants,
    results_dict,
)
from mtl3d.evaluation.metrics import MultiTaskDelta
from mtl3d.evaluation.report import TABLE_WIDTH, Row
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


def test_table_groups_the_rows_and_aligns_the_numbers() -> None:
    def row(task: str, metric: str, value: float, unit: str, **known: object) -> Row:
        cells = dict(key='', protocol='clean', field='pred', num_images=20, interval=None)
        return Row(task=task, metric=metric, value=value, unit=unit, **cells | known)

    rows = [
        row('semseg', 'mIoU', 40, '%', interval=(30.25, 50)),
        row('semseg', 'accuracy', 100, '%'),
        row('depth', 'rmse', 0.5, 'm', num_images=None),
    ]
    expected = """\
│ semseg │ mIoU     │ clean    │ pred        │  40.0000 │ 30.2500 .. 50.0000 │ %    │     20 │
│        │ accuracy │ clean    │ pred        │ 100.0000 │                    │ %    │     20 │
├────────┼──────────┼──────────┼─────────────┼──────────┼────────────────────┼──────┼────────┤
│ depth  │ rmse     │ clean    │ pred        │   0.5000 │                    │ m    │        │
"""
    lines = draw_table(rows).splitlines()
    assert '\n'.join(lines[4:-1]) + '\n' == expected
    assert '95 % interval' in lines[2]
    assert '95 % interval' not in draw_table(rows[1:])


def test_widest_row_takes_one_line_and_settings_stand_below() -> None:
    row = Row(
        key='human_parts.regularizer/pixel_accuracy',
        task='human_parts',
        metric='pixel_accuracy',
        value=-1234.5678,
        unit='deg',
        protocol='published',
        field='pred_regularizer',
        num_images=5105,
        interval=(-1234.5678, -1234.5678),
        settings='max_dist 0.011, matcher seism',
    )
    lines = draw_table([row, row]).splitlines()
    assert len({len(line) for line in lines[1:7]}) == 1 and len(lines) == 8
    assert max(map(len, lines)) <= TABLE_WIDTH
    assert lines[-1].strip() == 'human_parts: max_dist 0.011, matcher seism'


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
