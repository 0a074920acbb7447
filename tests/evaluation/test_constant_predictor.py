"""The constant predictor is the best constant, and knows what is no label."""

import torch
from mmengine.structures import PixelData

from mtl3d.evaluation.constant_predictor import fit_constants, predict_constants
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
    pred = predict_constants(fit_constants([sample(semseg=torch.tensor([[[3]]]))]), (4, 5))
    assert pred.semseg.shape == (1, 4, 5)
    assert pred.semseg.dtype == torch.int64
