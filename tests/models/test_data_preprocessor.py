"""The batch: normalised, centred, with labels padded by their own "no label" value."""

import pytest
import torch
from toy import toy_batch

from mtl3d.models.data_preprocessor import MultiTaskDataPreprocessor, centred_padding


def test_the_odd_pixel_goes_to_the_bottom_and_the_right():
    # The published NYUv2 numbers: 425 x 560 in 448 x 576.
    assert centred_padding((425, 560), (448, 576)) == (8, 11, 8, 12)


def test_images_are_normalised_and_the_padding_is_the_mean_colour():
    batch = toy_batch(0)
    image = batch['inputs'][0].float()
    out = MultiTaskDataPreprocessor(size=(20, 28))(batch)['inputs'][0]
    mean = torch.tensor([123.675, 116.28, 103.53]).view(3, 1, 1)
    std = torch.tensor([58.395, 57.12, 57.375]).view(3, 1, 1)
    assert torch.allclose(out[:, 2:18, 2:26], (image - mean) / std)
    assert out.abs().sum() == out[:, 2:18, 2:26].abs().sum()


def test_labels_are_padded_in_training_only():
    batch = toy_batch(0)
    MultiTaskDataPreprocessor(size=(20, 28))(batch, training=False)
    assert batch['data_samples'][0].gt.shape == (16, 24)
    gt = MultiTaskDataPreprocessor(size=(20, 28))(toy_batch(0), training=True)['data_samples'][0].gt
    assert gt.shape == (20, 28)
    assert [gt.get(t)[0, 0, 0].item() for t in ('semseg', 'edge', 'depth', 'normals')] == [
        255,
        255,
        0,
        0,
    ]
    assert gt.semseg.dtype == torch.int64


def test_without_a_size_the_batch_pads_to_its_largest_image_and_the_divisor():
    batch = toy_batch(0)
    bigger = toy_batch(1, height=18, width=20)
    batch = {key: batch[key] + bigger[key] for key in batch}
    out = MultiTaskDataPreprocessor(size_divisor=16)(batch, training=True)
    assert out['inputs'].shape == (2, 3, 32, 32)
    assert {s.gt.shape for s in out['data_samples']} == {(32, 32)}


def test_an_image_that_does_not_fit_is_refused():
    with pytest.raises(ValueError, match='16 x 24 does not fit the model input of 8 x 24'):
        MultiTaskDataPreprocessor(size=(8, 24))(toy_batch(0))
