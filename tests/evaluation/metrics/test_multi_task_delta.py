"""Delta_m in the evaluator: presets, files, signs, and what is said when something is missing."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.evaluator import Evaluator
from mmengine.structures import PixelData

from mtl3d.evaluation import MultiTaskEvaluator, collect_rows, metric_variants
from mtl3d.evaluation.functional.bootstrap import draw_weights
from mtl3d.evaluation.functional.delta_m import delta_m
from mtl3d.evaluation.metrics import DepthMetric, MultiTaskDelta, SemSegMetric
from mtl3d.evaluation.metrics.multi_task_delta import BASELINES, load_single_task, preset_names
from mtl3d.registry import EVALUATOR
from mtl3d.structures import MultiTaskDataSample


def _sample() -> MultiTaskDataSample:
    gt = PixelData(semseg=torch.tensor([[[0, 1]]]), depth=torch.tensor([[[1.0, 2.0]]]))
    pred = PixelData(semseg=torch.tensor([[[0, 1]]]), depth=torch.tensor([[[1.5, 2.5]]]))
    rendered = PixelData(semseg=torch.tensor([[[0, 0]]]), depth=torch.tensor([[[2.0, 3.0]]]))
    return MultiTaskDataSample(gt=gt, pred=pred, pred_regularizer=rendered, metainfo=dict(img_id=0))


METRICS = [dict(type='SemSegMetric', num_classes=2), dict(type='DepthMetric')]


def test_delta_from_the_other_metrics_results() -> None:
    delta = dict(type='MultiTaskDelta', single_task=dict(semseg=80.0, depth=1.0))
    evaluator = EVALUATOR.build(dict(type='MultiTaskEvaluator', metrics=[*METRICS, delta]))
    evaluator.process([_sample()])
    results = evaluator.evaluate(1)
    # mIoU 100 against 80 is +25 %, rmse 0.5 against 1.0 is +50 %.
    assert results['multi_task/delta_m'] == pytest.approx(37.5)


def test_variants_score_every_output_with_its_own_delta() -> None:
    delta = dict(type='MultiTaskDelta', single_task=dict(semseg=80.0, depth=1.0))
    variants = metric_variants(
        [*METRICS, delta], fields=('pred', 'pred_regularizer'), protocols=('clean',)
    )
    evaluator = MultiTaskEvaluator(metrics=variants)
    evaluator.process([_sample()])
    results = evaluator.evaluate(1)
    assert results['multi_task/delta_m'] == pytest.approx(37.5)
    assert results['depth.regularizer/rmse'] == 1.0
    assert results['semseg.regularizer/mIoU'] == 25.0
    # mIoU 25 against 80 is -68.75 %, rmse unchanged.
    assert results['multi_task.regularizer/delta_m'] == pytest.approx(-68.75 / 2)
    assert results['semseg.regularizer.clean/mIoU'] == 25.0


def _noisy_samples(count: int) -> list[MultiTaskDataSample]:
    samples = []
    for i in range(count):
        error = torch.rand(1).item()
        gt = PixelData(depth=torch.ones(1, 2, 2), albedo=torch.ones(1, 2, 2))
        pred = PixelData(depth=torch.full((1, 2, 2), 1 + error))
        pred.semseg = torch.full((1, 2, 2), int(error > 0.5))
        gt.semseg = torch.zeros(1, 2, 2, dtype=torch.int64)
        samples.append(MultiTaskDataSample(gt=gt, pred=pred, metainfo=dict(img_id=i)))
    del samples[0].gt.depth
    return samples


def test_interval_of_delta_m_draws_images_jointly() -> None:
    metrics = [
        dict(type='SemSegMetric', num_classes=2, protocol='clean', bootstrap=300),
        dict(type='DepthMetric', bootstrap=300),
        dict(type='MultiTaskDelta', single_task=dict(semseg=50.0, depth=0.5)),
    ]
    samples = _noisy_samples(30)
    intervals = []
    for order in (samples, samples[::-1]):
        evaluator = MultiTaskEvaluator(metrics=metrics)
        evaluator.process(order)
        results = evaluator.evaluate(30)
        rows = collect_rows(evaluator.metrics, results)
        assert [row.key for row in rows].count('multi_task/delta_m') == 1
        assert rows[-1].num_images == 30 and rows[-1].value == results['multi_task/delta_m']
        intervals.append(rows[-1].interval)
    assert intervals[0] == intervals[1]
    low, high = intervals[0]
    assert low < results['multi_task/delta_m'] < high

    # Slow reference: really repeat the images of each replicate, by id.
    slow = []
    for row in draw_weights(30, num_replicates=300):
        values = {}
        for metric in evaluator.metrics[:2]:
            drawn = [
                stats
                for key, count in zip(sorted(range(30), key=str), row, strict=True)
                if key in metric.statistics
                for stats in [metric.statistics[key]] * count
            ]
            scores = metric.summarize(np.stack(drawn))
            values.update({f'{metric.prefix}/{name}': value for name, value in scores.items()})
        slow.append(delta_m(values, {'semseg/mIoU': 50.0, 'depth/rmse': 0.5}))
    assert (low, high) == pytest.approx(tuple(np.quantile(slow, [0.025, 0.975])))

    # A large error on an image is bad for both tasks: jointly drawn, they vary together, so the
    # interval is wider than if each task had drawn images of its own.
    semseg, depth = evaluator.metrics[0].summary, evaluator.metrics[1].summary
    alone = [
        (semseg.intervals['mIoU'][1] - semseg.intervals['mIoU'][0]) / 50,
        (depth.intervals['rmse'][1] - depth.intervals['rmse'][0]) / 0.5,
    ]
    assert high - low > 1.1 * 100 / 2 * (alone[0] ** 2 + alone[1] ** 2) ** 0.5


def test_no_interval_where_a_metric_has_none() -> None:
    delta = MultiTaskDelta(single_task=dict(semseg=80.0, depth=1.0))
    evaluator = MultiTaskEvaluator(
        metrics=[SemSegMetric(num_classes=2, bootstrap=10), DepthMetric(), delta]
    )
    evaluator.process([_sample()])
    evaluator.evaluate(1)
    assert delta.summary is None


def test_missing_metric_is_named() -> None:
    evaluator = MultiTaskEvaluator(
        metrics=[DepthMetric(), MultiTaskDelta(single_task=dict(depth=1.0, edge=77.0))]
    )
    evaluator.process([_sample()])
    with pytest.raises(ValueError, match='Delta_m needs edge/odsF'):
        evaluator.evaluate(1)


def test_plain_evaluator_is_refused() -> None:
    evaluator = Evaluator([SemSegMetric(num_classes=2), MultiTaskDelta(single_task=dict(depth=1))])
    with pytest.raises(TypeError, match='MultiTaskEvaluator'):
        evaluator.process([_sample()])


@pytest.mark.parametrize('name', preset_names())
def test_presets_name_their_source_and_load(name: str) -> None:
    content = json.loads((BASELINES / f'{name}.json').read_text())
    assert content['source'] and content['dataset']
    assert load_single_task(name) == content['metrics']
    assert MultiTaskDelta(single_task=name).single_task == content['metrics']


def test_own_results_files_one_per_task(tmp_path: Path) -> None:
    own = {
        'semseg': {'semseg/mIoU': 50.0, 'semseg/pixel_accuracy': 70.0},
        'saliency': {'metrics': {'saliency/mIoU': 60.0}, 'rows': []},
    }
    paths = []
    for task, content in own.items():
        paths.append(str(tmp_path / f'{task}.json'))
        Path(paths[-1]).write_text(json.dumps(content))
    delta = MultiTaskDelta(single_task=paths)
    # The headline of a task, or the only number there is.
    assert delta.single_task == {'semseg/mIoU': 50.0, 'saliency/mIoU': 60.0}
    assert MultiTaskDelta(single_task=paths, tasks=['semseg']).single_task == {'semseg/mIoU': 50.0}


def test_lower_is_better_for_a_task_of_ones_own() -> None:
    delta = MultiTaskDelta(single_task={'albedo/mse': 2.0}, lower_is_better=['albedo/mse'])
    assert delta.compute({'albedo/mse': 1.0}) == {'multi_task/delta_m': 50.0}


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        (dict(single_task='survey_nyu'), "Did you mean 'survey_nyud'"),
        (dict(single_task='nowhere.json'), 'neither a preset nor an existing JSON file'),
        (dict(single_task=dict(albedo=1.0)), "task 'albedo' has no headline metric"),
        (dict(single_task=dict(depth=1.0), tasks=['semseg']), 'single_task has no semseg/mIoU'),
        (dict(single_task={}), 'single_task is empty'),
    ],
)
def test_bad_settings_are_explained(options: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        MultiTaskDelta(**options)


def test_file_without_numbers_is_refused(tmp_path: Path) -> None:
    path = tmp_path / 'config.json'
    path.write_text('{"lr": 0.1}')
    with pytest.raises(ValueError, match="holds no 'task/metric': number"):
        MultiTaskDelta(single_task=str(path))


def test_unknown_field_of_a_variant() -> None:
    with pytest.raises(ValueError, match="Did you mean 'pred_average'"):
        metric_variants(METRICS, fields=['pred_averag'])


def test_foreign_metric_cannot_be_a_variant() -> None:
    with pytest.raises(ValueError, match='DumpResults cannot be repeated'):
        metric_variants([dict(type='DumpResults', out_file_path='a.pkl')])
