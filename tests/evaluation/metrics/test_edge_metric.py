"""EdgeMetric: ground truth, pooling, workers, lists and errors."""

from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.structures import PixelData
from scipy.io import savemat

from mtl3d.evaluation import MultiTaskEvaluator
from mtl3d.evaluation.functional import edges
from mtl3d.evaluation.metrics import EdgeMetric, edge_metric
from mtl3d.registry import METRICS
from mtl3d.structures import MultiTaskDataSample

SIZE = (40, 56)


def make_sample(index, **metainfo):
    """A square's outline, and a noisy guess of it."""
    rng = np.random.default_rng(index)
    label = np.zeros(SIZE, dtype=np.float32)
    top, left = rng.integers(6, 12, 2)
    label[top : top + 20, [left, left + 25]] = label[[top, top + 20], left : left + 26] = 1
    prob = np.clip(0.7 * np.roll(label, 1, axis=0) + rng.uniform(0, 0.5, SIZE), 0, 1)
    return MultiTaskDataSample(
        metainfo=dict(img_id=f'image_{index}', **metainfo),
        gt=PixelData(edge=torch.from_numpy(label)[None]),
        pred=PixelData(edge=torch.from_numpy(prob.astype(np.float32))[None]),
    )


def evaluate(batches, **options):
    evaluator = MultiTaskEvaluator(metrics=[dict(type='EdgeMetric', **options)])
    for batch in batches:
        evaluator.process(batch)
    results = evaluator.evaluate(size=1)
    return results, evaluator.metrics[0].summary


def as_arrays(sample):
    return sample.pred.edge[0].numpy(), sample.gt.edge[0].numpy() == 1


def expected_scores(samples, kind='edge_image', **options):
    counts = []
    for sample in samples:
        prob, label = as_arrays(sample)
        seed = edges.image_seed(sample.img_id)
        gt = edges.ground_truth(label, kind)
        counts.append(edges.evaluate_image(prob, gt, seed=seed, **options))
    scores = edges.summarize(np.stack(counts))
    return {f'edge/{k}': v if k == 'odsT' else 100 * v for k, v in scores.items()}


@pytest.mark.parametrize(
    ('dataset', 'kind', 'max_dist'), [('nyud', 'edge_image', 0.011), ('synthrooms', 'lines', 0.011)]
)
def test_scores_are_those_of_the_functions_in_percent(dataset, kind, max_dist):
    samples = [make_sample(i) for i in range(3)]
    results, summary = evaluate([samples], dataset=dataset)
    assert results == expected_scores(samples, kind, max_dist=max_dist)
    assert 1 < results['edge/odsF'] <= 100
    assert set(results) == {f'edge/{name}' for name in EdgeMetric.units}
    assert summary.num_images == 3
    assert summary.protocol == 'seism'
    assert summary.settings == f'max_dist {max_dist}, ground truth {kind}, matcher seism'


def test_arguments_reach_the_functions():
    samples = [make_sample(i) for i in range(2)]
    results, _ = evaluate(
        [samples],
        max_dist=0.03,
        protocol='mti',
        matcher='max',
        quantize=False,
        thresholds=[0.3, 0.6],
        ground_truth='edge_image',
    )
    counts = [
        edges.evaluate_image(
            prob,
            edges.ground_truth(label, 'edge_image'),
            max_dist=0.03,
            protocol='mti',
            matcher='max',
            quantize=False,
            thresholds=[0.3, 0.6],
        )
        for prob, label in map(as_arrays, samples)
    ]
    scores = edges.summarize(np.stack(counts), thresholds=[0.3, 0.6])
    assert results['edge/odsF'] == 100 * scores['odsF']
    assert results['edge/odsT'] == scores['odsT']


def test_odsf_is_interpolated_on_request():
    counts = np.array([[90, 100, 90, 300], [30, 100, 30, 33]])
    plain, between = (
        EdgeMetric(dataset='nyud', thresholds=[0.3, 0.6], interpolate=on).summarize(
            edges.image_statistics(counts)[None]
        )['odsF']
        for on in (False, True)
    )
    assert between > plain + 5
    expected = edges.summarize(counts[None], thresholds=[0.3, 0.6], interpolate=True)['odsF']
    assert between == pytest.approx(100 * expected)


@pytest.mark.parametrize('workers', [0, 1, 3])
def test_workers_batches_order_and_duplicates_change_no_digit(workers):
    samples = [make_sample(i) for i in range(5)]
    expected, _ = evaluate([samples], dataset='nyud')
    padded = [*samples[::-1], samples[2]]
    results, summary = evaluate([padded[:1], padded[1:]], dataset='nyud', workers=workers)
    assert results == expected
    assert summary.num_images == 5


def test_parts_pool_to_the_whole():
    samples = [make_sample(i) for i in range(4)]
    metrics = [EdgeMetric(dataset='nyud', workers=1) for _ in range(2)]
    for metric, part in zip(metrics, (samples[::2], samples[1::2]), strict=True):
        metric.process(None, [sample.to_dict() for sample in part])
    gathered = [(name, stats.result()) for metric in metrics for name, stats in metric.results]
    merged = EdgeMetric(dataset='nyud').compute_metrics(gathered)
    expected, _ = evaluate([samples], dataset='nyud')
    assert {f'edge/{name}': value for name, value in merged.items()} == expected


def test_more_images_than_the_queue_holds():
    samples = [make_sample(i % 3) for i in range(20)]
    for index, sample in enumerate(samples):
        sample.set_metainfo(dict(img_id=f'{index}'))
    options = dict(dataset='nyud', matcher='max', thresholds=[0.3])
    assert evaluate([samples], workers=1, **options) == evaluate([samples], **options)


def test_what_is_not_annotated_is_skipped():
    samples = [make_sample(i) for i in range(3)]
    expected, _ = evaluate([samples[:1]], dataset='nyud')
    samples[1].gt.edge = torch.full_like(samples[1].gt.edge, 255)
    del samples[2].gt.edge
    results, summary = evaluate([samples], dataset='nyud')
    assert results == expected and summary.num_images == 1
    results, summary = evaluate([samples[1:]], dataset='nyud')
    assert results == {} and summary is None


def test_ignored_pixels_count_as_no_boundary():
    plain, partly = make_sample(0), make_sample(0)
    partly.gt.edge[:, :3] = 255
    assert evaluate([[partly]], dataset='nyud') == evaluate([[plain]], dataset='nyud')


def test_pascal_ground_truth_comes_from_the_label_map(tmp_path, monkeypatch):
    folder = tmp_path / 'pascal-context' / 'trainval'
    folder.mkdir(parents=True)
    sample = make_sample(0, img_path=str(tmp_path / 'JPEGImages' / 'image_0.jpg'))
    label_map = np.ones(SIZE, dtype=np.uint16)
    label_map[10:30, 12:37] = 300
    savemat(folder / 'image_0.mat', dict(LabelMap=label_map))
    results, summary = evaluate([[sample]], dataset='pascal_context')
    prob, _ = as_arrays(sample)
    gt = edges.ground_truth(label_map, 'label_map')
    counts = edges.evaluate_image(prob, gt, max_dist=0.0075, seed=edges.image_seed('image_0'))
    assert results['edge/odsF'] == 100 * edges.summarize(counts[None])['odsF']
    assert 'max_dist 0.0075, ground truth label_map' in summary.settings
    sample.set_metainfo(dict(img_path='elsewhere/JPEGImages/image_0.jpg'))
    other, _ = evaluate([[sample]], dataset='pascal_context', label_map_dir=str(folder))
    assert other == results
    with pytest.raises(FileNotFoundError, match="image 'image_0'.*nowhere"):
        evaluate([[sample]], dataset='pascal_context', label_map_dir='nowhere')
    messages = []
    monkeypatch.setattr(edge_metric, 'print_log', lambda text, *_: messages.append(text))
    from_label, summary = evaluate([[sample, make_sample(1)]], dataset='pascal_context')
    assert 'label_map (lines where there was none)' in summary.settings
    assert len(messages) == 1 and 'no label map elsewhere' in messages[0]
    assert from_label == expected_scores([sample, make_sample(1)], 'lines', max_dist=0.0075)
    savemat(folder / 'image_0.mat', dict(LabelMap=label_map[1:]))
    with pytest.raises(ValueError, match="image 'image_0'.*shape"):
        evaluate([[sample]], dataset='pascal_context', label_map_dir=str(folder))
    results, _ = evaluate([[sample]], dataset='pascal_context', ground_truth='lines')
    assert results == expected_scores([sample], 'lines', max_dist=0.0075)


def test_image_list(tmp_path):
    samples = [make_sample(i) for i in range(3)]
    path = tmp_path / 'test_new.txt'
    path.write_text('image_0\nimage_2\n')
    results, summary = evaluate([samples], dataset='nyud', image_list=str(path))
    expected, _ = evaluate([samples[::2]], dataset='nyud')
    assert results == expected and summary.num_images == 2
    with pytest.raises(ValueError, match="1 of the 2 images.*'image_2'"):
        evaluate([samples[:2]], dataset='nyud', image_list=str(path))


def test_bootstrap_intervals_hold_the_score():
    samples = [make_sample(i) for i in range(4)]
    _, summary = evaluate([samples], dataset='nyud', bootstrap=50)
    low, high = summary.intervals['odsF']
    assert low < summary.values['odsF'] <= high
    # One weighted sum per replicate stands for really drawing the images.
    metric = EdgeMetric(dataset='nyud')
    stats = np.stack(
        [
            metric.image_statistics(
                sample.pred.edge.numpy(), edges.ground_truth(as_arrays(sample)[1], 'lines')[None]
            )
            for sample in samples
        ]
    )
    drawn = metric.summarize(stats[[0, 0, 3]])
    weighted = metric.summarize((2.0 * stats[0] + stats[3])[None])
    assert drawn == pytest.approx(weighted)


@pytest.mark.parametrize('workers', [0, 1])
def test_bad_predictions_are_named(workers):
    sample = make_sample(0)
    sample.pred.edge[0, 3, 3] = float('nan')
    with pytest.raises(ValueError, match="image 'image_0'.*prob must lie"):
        evaluate([[sample]], dataset='nyud', workers=workers)
    sample = make_sample(1)
    sample.pred = PixelData(edge=sample.pred.edge[:, 1:])
    with pytest.raises(ValueError, match="'image_1'.*prediction is"):
        evaluate([[sample]], dataset='nyud', workers=workers)


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        (dict(), 'max_dist: give it'),
        (dict(dataset='nyu'), 'nyud'),
        (dict(dataset='nyud', protocol='seisms'), 'seism'),
        (dict(dataset='nyud', matcher='maximum'), 'max'),
        (dict(dataset='nyud', max_dist=11), r'max_dist must lie in \(0, 1\), got 11'),
        (dict(dataset='nyud', workers=-1), 'workers=-1'),
        (dict(dataset='nyud', thresholds=[0.5, 0.5]), 'thresholds must increase'),
        (dict(dataset='nyud', ground_truth='line'), 'lines'),
    ],
)
def test_bad_arguments_are_named(options, message):
    with pytest.raises(ValueError, match=message):
        METRICS.build(dict(type='EdgeMetric', **options))


def test_missing_image_list():
    with pytest.raises(FileNotFoundError, match='no such image list'):
        EdgeMetric(dataset='nyud', image_list=str(Path('nowhere.txt')))


def test_the_survey_uses_one_distance_everywhere():
    assert EdgeMetric(dataset='nyud', protocol='mti').max_dist == 0.0075
    assert EdgeMetric(dataset='nyud').max_dist == 0.011
    assert EdgeMetric(dataset='nyud', protocol='mti', max_dist=0.011).max_dist == 0.011
