"""The constant predictor is the best constant, and knows what is no label."""

import torch
from mmengine.structures import PixelData

from mtl3d.evaluation import MultiTaskEvaluator
from mtl3d.evaluation.constant_predictor import (
    fit_constants,
    predict_constants,
    score_constants,
)
from mtl3d.structures import MultiTaskDataSample


def sample(**fields):
    result = MultiTaskDataSample()
    result.gt = PixelData(**fields)
    return result


def test_the_constants_ignore_what_is_no_label():
    first = sample(
        semseg=torch.tensor([[[3, 3, 255]]]),
        depth=torch.tensor([[[0.0, 2.0, 4.0]]]),
        edge=torch.tensor([[[1.0, 0.0, 255.0]]]),
        normals=torch.tensor([[[0.0, 1.0, 0.0]], [[0.0, 0.0, 1.0]], [[0.0, 0.0, 0.0]]]),
    )
    second = sample(semseg=torch.tensor([[[7, 255, 255]]]), depth=torch.tensor([[[9.0, 0, 0]]]))
    constants = fit_constants([first, second])
    assert constants['semseg'].item() == 3
    assert constants['depth'].item() == 5
    assert constants['edge'].item() == 0.5
    expected = torch.tensor([1.0, 1.0, 0.0]) / 2**0.5
    assert torch.allclose(constants['normals'].flatten(), expected)


def test_predictions_have_the_shape_and_type_of_labels():
    up = torch.tensor([0.0, 0.0, 1.0]).view(3, 1, 1)
    labelled = sample(semseg=torch.tensor([[[3]]]), normals=up)
    pred = predict_constants(fit_constants([labelled]), (4, 5))
    assert pred.semseg.shape == (1, 4, 5)
    assert pred.semseg.dtype == torch.int64
    assert torch.equal(pred.normals, up.expand(3, 4, 5))


def test_the_scores_are_those_of_one_split_on_another():
    train = [dict(data_samples=sample(depth=torch.tensor([[[2.0, 4.0]]])))]
    val = [dict(data_samples=sample(depth=torch.full((1, 2, 3), 3.0 + error))) for error in (0, 2)]
    for index, item in enumerate(val):
        item['data_samples'].set_metainfo(dict(img_id=index, ori_shape=(2, 3)))
    scores = score_constants(train, val, MultiTaskEvaluator(metrics=[dict(type='DepthMetric')]))
    assert scores['depth/mae'] == 1
