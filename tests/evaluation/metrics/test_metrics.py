"""Registered metrics: what they append, how they pool, and what they say."""

import random
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
import torch.multiprocessing as mp
from mmengine.structures import PixelData

from mtl3d.evaluation import MultiTaskEvaluator
from mtl3d.evaluation.functional import depth, normals, saliency
from mtl3d.evaluation.metrics import (
    DepthMetric,
    EdgeMetric,
    HumanPartsMetric,
    NormalsMetric,
    PerImageMetric,
    SaliencyMetric,
    SemSegMetric,
)
from mtl3d.evaluation.multi_task_evaluator import result_names
from mtl3d.registry import METRICS
from mtl3d.structures import MultiTaskDataSample

METRIC_CLASSES = (SemSegMetric, HumanPartsMetric, DepthMetric, NormalsMetric, SaliencyMetric)


def _fields(seed: int, size: tuple[int, int]) -> tuple[PixelData, PixelData]:
    generator = torch.Generator().manual_seed(seed)

    def rand(channels: int) -> torch.Tensor:
        return torch.rand(channels, *size, generator=generator)

    gt = PixelData(
        semseg=(40 * rand(1)).long(),
        human_parts=(7 * rand(1)).long(),
        depth=5 * rand(1) + 0.5,
        normals=torch.nn.functional.normalize(rand(3) - 0.5, dim=0),
        saliency=(rand(1) > 0.6).float(),
        edge=(rand(1) > 0.8).float(),
    )
    pred = PixelData(
        semseg=torch.where(rand(1) < 0.6, gt.semseg, (40 * rand(1)).long()),
        human_parts=torch.where(rand(1) < 0.6, gt.human_parts, (7 * rand(1)).long()),
        depth=gt.depth + rand(1) - 0.5,
        normals=gt.normals + 0.5 * rand(3),
        saliency=(0.5 * gt.saliency + 0.5 * rand(1)).clamp(0, 1),
        edge=(0.5 * gt.edge + 0.5 * rand(1)).clamp(0, 1),
    )
    return gt, pred


def _samples(count: int = 7) -> list[MultiTaskDataSample]:
    samples = []
    for i in range(count):
        gt, pred = _fields(i, (8 + i, 10))
        if i == 2:  # not annotated for depth
            del gt.depth
        if i == 3:  # nothing but padding
            gt.semseg = torch.full_like(gt.semseg, 255)
        samples.append(MultiTaskDataSample(gt=gt, pred=pred, metainfo=dict(img_id=f'image_{i}')))
    return samples


def _evaluate(batches: list[list[MultiTaskDataSample]], **options: Any) -> dict[str, float]:
    boundaries = EdgeMetric(max_dist=0.1, workers=1)
    evaluator = MultiTaskEvaluator(
        metrics=[*(cls(**options) for cls in METRIC_CLASSES), boundaries]
    )
    for batch in batches:
        evaluator.process(batch)
    return evaluator.evaluate(size=1)  # the size is not needed, see PerImageMetric.evaluate


@pytest.mark.parametrize('protocol', ['published', 'survey', 'clean'])
def test_batches_order_and_duplicates_change_no_digit(protocol: str) -> None:
    samples = _samples()
    expected = _evaluate([samples], protocol=protocol)
    shuffled = [*samples, samples[0], samples[2]]
    random.Random(1).shuffle(shuffled)
    assert _evaluate([[s] for s in shuffled], protocol=protocol) == expected
    assert _evaluate([shuffled[:4], shuffled[4:]], protocol=protocol) == expected
    assert len(expected) == 3 + 3 + 9 + 6 + 2 + 6
    assert 0 < expected['edge/odsF'] < 100


def _rank(rank: int, init: str, expected: dict[str, float]) -> None:
    torch.distributed.init_process_group('gloo', init_method=init, rank=rank, world_size=2)
    samples = _samples()
    # Contiguous and uneven: MMEngine's own cut to the size would drop images here.
    mine = samples[:5] if rank == 0 else [*samples[5:], samples[0]]
    assert _evaluate([mine]) == expected
    torch.distributed.destroy_process_group()


@pytest.mark.ddp
def test_two_processes_give_the_numbers_of_one(tmp_path: Any, monkeypatch: Any) -> None:
    expected = _evaluate([_samples()])
    monkeypatch.chdir(tmp_path)  # MMEngine collects through ./.dist_test
    mp.spawn(_rank, args=(f'file://{tmp_path}/init', expected), nprocs=2)


def test_exactly_one_entry_per_sample_and_none_without_a_label() -> None:
    metric = DepthMetric()
    metric.process(None, [sample.to_dict() for sample in _samples()])
    assert [key for key, _ in metric.results] == [f'image_{i}' for i in range(7)]
    assert [i for i, (_, stats) in enumerate(metric.results) if stats is None] == [2]
    metric.evaluate(7)
    assert metric.summary is not None and metric.summary.num_images == 6


def test_statistics_are_small_and_do_not_grow_with_the_image() -> None:
    for cls in METRIC_CLASSES:
        shapes = set()
        for size in ((8, 8), (50, 70)):
            metric = cls()
            gt, pred = _fields(0, size)
            sample = MultiTaskDataSample(gt=gt, pred=pred, metainfo=dict(img_id=0))
            metric.process(None, [sample.to_dict()])
            shapes.add(metric.results[0][1].shape)
            assert metric.results[0][1].nbytes < 32_000
        assert len(shapes) == 1


def test_other_predictions_are_scored_on_request() -> None:
    sample = _samples(1)[0]
    sample.pred_regularizer = PixelData(depth=sample.gt.depth + 2)
    metric = DepthMetric(field='pred_regularizer')
    metric.process(None, [sample.to_dict()])
    assert metric.evaluate(1)['depth/rmse'] == pytest.approx(2)
    assert DepthMetric(field='pred_average').results == []
    missing = DepthMetric(field='pred_average')
    missing.process(None, [sample.to_dict()])
    assert missing.results == [('image_0', None)]
    assert missing.evaluate(1) == {}
    assert missing.summary is None


def test_constant_predictor_scores_what_it_must() -> None:
    """All class 0 on two classes half and half, constant depth, all salient."""
    gt = PixelData(
        semseg=torch.tensor([[[0, 1], [1, 0]]]),
        depth=torch.tensor([[[1.0, 3.0], [1.0, 3.0]]]),
        saliency=torch.tensor([[[1.0, 0.0], [0.0, 0.0]]]),
    )
    pred = PixelData(
        semseg=torch.zeros(1, 2, 2, dtype=torch.int64),
        depth=torch.full((1, 2, 2), 2.0),
        saliency=torch.ones(1, 2, 2),
    )
    sample = MultiTaskDataSample(gt=gt, pred=pred, metainfo=dict(img_id=0))
    evaluator = MultiTaskEvaluator(
        metrics=[SemSegMetric(num_classes=2), DepthMetric(), SaliencyMetric()]
    )
    evaluator.process([sample])
    results = evaluator.evaluate(1)
    assert results['semseg/mIoU'] == 25
    assert results['depth/rmse'] == 1
    assert results['saliency/mIoU'] == 25
    assert results['saliency/maxF'] == pytest.approx(100 * 1.3 * 0.25 / (0.3 * 0.25 + 1))


def test_images_without_people_count_in_clean_only() -> None:
    gt = torch.zeros(1, 4, 4, dtype=torch.int64)
    pred = gt.clone()
    pred[0, 0] = 3
    skipped = HumanPartsMetric().image_statistics(pred.numpy(), gt.numpy())
    scored = HumanPartsMetric(protocol='clean').image_statistics(pred.numpy(), gt.numpy())
    assert not skipped.any() and scored[1, 3] == 4
    assert skipped.shape == scored.shape == (3, 7)
    gt[0, 1] = 255
    assert not HumanPartsMetric().image_statistics(pred.numpy(), gt.numpy()).any()
    gt[0, 0, 0] = 3
    assert HumanPartsMetric().image_statistics(pred.numpy(), gt.numpy())[1, 3] == 4


@pytest.mark.parametrize(
    ('cls', 'protocol', 'functional'),
    [(DepthMetric, 'clean', depth), (NormalsMetric, 'survey', normals),
     (SaliencyMetric, 'clean', saliency), (SaliencyMetric, 'survey', saliency)],
)  # fmt: skip
def test_the_protocol_reaches_the_functions(
    cls: type[PerImageMetric], protocol: str, functional: ModuleType
) -> None:
    metric = cls(protocol=protocol)
    gt, pred = (field.get(metric.task).numpy() for field in _fields(0, (8, 10)))
    if cls is DepthMetric:
        pred = pred - 3  # the protocols differ below the lower bound only
    stats = metric.image_statistics(pred, gt)
    np.testing.assert_array_equal(stats, functional.image_statistics(pred, gt, protocol=protocol))
    assert not np.array_equal(stats, functional.image_statistics(pred, gt))
    options = dict(protocol=protocol) if cls is SaliencyMetric else {}
    assert metric.summarize(stats[None]) == functional.summarize(stats[None], **options)


@pytest.mark.parametrize(('protocol', 'count'), [('published', 7), ('clean', 8)])
def test_only_images_that_count_are_counted(protocol: str, count: int) -> None:
    empty = PixelData(human_parts=torch.zeros(1, 4, 4, dtype=torch.int64))
    nobody = MultiTaskDataSample(gt=empty, pred=empty, metainfo=dict(img_id='nobody'))
    metric = HumanPartsMetric(protocol=protocol)
    metric.process(None, [sample.to_dict() for sample in [*_samples(), nobody]])
    metric.evaluate(8)
    assert metric.summary is not None and metric.summary.num_images == count


def test_bootstrap_intervals_are_in_the_summary() -> None:
    metric = SemSegMetric(bootstrap=50)
    metric.process(None, [sample.to_dict() for sample in _samples()])
    values = metric.evaluate(7)
    low, high = metric.summary.intervals['mIoU']
    assert low <= values['semseg/mIoU'] <= high
    assert metric.summary.values['mIoU'] == values['semseg/mIoU']


def test_sizes_that_differ_name_the_image() -> None:
    gt, _ = _fields(0, (8, 10))
    _, pred = _fields(0, (8, 12))
    sample = MultiTaskDataSample(gt=gt, pred=pred, metainfo=dict(img_id='room_7'))
    with pytest.raises(ValueError, match=r"depth of image 'room_7'.*\(8, 12\).*\(8, 10\)"):
        DepthMetric().process(None, [sample.to_dict()])


@pytest.mark.parametrize('value', [1.5, -0.1, float('nan')])
def test_values_that_are_no_probabilities_name_the_image(value: float) -> None:
    sample = _samples(1)[0]
    sample.pred.saliency[0, 2, 3] = value
    with pytest.raises(ValueError, match=r"saliency of image 'image_0'.*lie in \[0, 1\]"):
        SaliencyMetric().process(None, [sample.to_dict()])


def test_a_class_that_there_is_not_names_the_image() -> None:
    with pytest.raises(ValueError, match="semseg of image 'image_0': The .* holds class id"):
        SemSegMetric(num_classes=2).process(None, [_samples(1)[0].to_dict()])


def test_sample_without_id_is_refused() -> None:
    with pytest.raises(ValueError, match='has no img_id'):
        DepthMetric().process(None, [MultiTaskDataSample().to_dict()])


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        (dict(field='predi'), "field='predi': Did you mean 'pred'"),
        (dict(protocol='publised'), "protocol='publised': Did you mean 'published'"),
        (dict(bootstrap=-1), 'bootstrap=-1'),
    ],
)
def test_bad_settings_are_named(options: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        DepthMetric(**options)


def test_every_number_has_a_declared_unit() -> None:
    evaluator = MultiTaskEvaluator(metrics=[cls() for cls in METRIC_CLASSES])
    evaluator.process(_samples(1))
    assert set(evaluator.evaluate(1)) == result_names(evaluator.metrics)


def test_names_are_not_guessed_where_a_metric_does_not_tell_them() -> None:
    class SilentMetric(DepthMetric):
        units = {}

    assert result_names([DepthMetric(), SilentMetric()]) is None


@pytest.mark.parametrize('cls', METRIC_CLASSES)
def test_built_by_name_with_the_task_as_prefix(cls: type[PerImageMetric]) -> None:
    metric = METRICS.build(dict(type=cls.__name__, protocol='clean', prefix='own'))
    assert metric.prefix == 'own' and metric.protocol == 'clean'
    assert cls().prefix == metric.task


def test_predictions_from_any_device_and_dtype() -> None:
    gt = np.ones((1, 2, 2), np.float32)
    metric = DepthMetric()
    metric.process(None, [dict(img_id=0, gt=dict(depth=gt), pred=dict(depth=2 * gt))])
    half = dict(depth=torch.full((1, 2, 2), 2.0, dtype=torch.float16, requires_grad=True))
    metric.process(None, [dict(img_id=1, gt=dict(depth=torch.ones(1, 2, 2)), pred=half)])
    assert metric.evaluate(2)['depth/rmse'] == 1
