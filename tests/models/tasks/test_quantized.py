"""Depth and normals as classes."""

import math

import pytest
import torch
import torch.nn.functional as F

from mtl3d.models.losses import balanced_bce, normal_centroids, two_class_logit
from mtl3d.models.tasks import EdgeTask, QuantizedDepthTask, QuantizedNormalsTask
from mtl3d.registry import TASKS


def test_depth_of_a_bins_middle_is_decoded_as_it_is():
    task = QuantizedDepthTask(num_bins=4, near=1.0, far=16.0)
    label = torch.tensor([1.5, 3.0, 5.0, 9.0]).view(1, 1, 1, 4)
    logits = 50 * F.one_hot(torch.arange(4)).T.float().view(1, 4, 1, 4)
    assert task.loss(logits, label).item() == pytest.approx(0, abs=1e-5)
    decoded = task.decode(task.activate(logits))
    torch.testing.assert_close(decoded, 2 ** torch.tensor([0.5, 1.5, 2.5, 3.5]).view(1, 1, 1, 4))


def test_unmeasured_depth_does_not_count():
    task = QuantizedDepthTask()
    logits = torch.zeros(1, 40, 1, 2)
    logits[:, 3, 0, 1] = 9.0
    label = torch.tensor([2.0, 0.0]).view(1, 1, 1, 2)
    assert task.loss(logits, label).item() == pytest.approx(math.log(40))


@pytest.mark.parametrize('dataset', ['nyud', 'pascal'])
def test_a_centroid_is_its_own_class(dataset):
    task = QuantizedNormalsTask(dataset=dataset)
    assert task.out_channels == 40
    label = normal_centroids(dataset).T.reshape(1, 3, 5, 8)
    logits = 50 * torch.eye(40).reshape(1, 40, 5, 8)
    assert task.loss(logits, label).item() == pytest.approx(0, abs=1e-5)
    torch.testing.assert_close(task.decode(task.activate(logits)), label)


def test_two_channels_of_an_edge_are_a_softmax():
    task = EdgeTask(num_channels=2, positive_weight=0.8)
    logits, label = torch.randn(1, 2, 4, 4), (torch.rand(1, 1, 4, 4) > 0.7).float()
    torch.testing.assert_close(task.activate(logits), logits.softmax(1)[:, 1:])
    expected = balanced_bce(two_class_logit(logits), label, positive_weight=0.8)
    torch.testing.assert_close(task.loss(logits, label), expected)


@pytest.mark.parametrize(
    ('cfg', 'message'),
    [
        (dict(type='QuantizedDepthTask', num_bins=0), 'num_bins=0'),
        (dict(type='QuantizedDepthTask', near=10.0), 'near=10.0, far=10.0'),
        (dict(type='QuantizedNormalsTask', dataset='nyu'), "dataset='nyu'.*'nyud'"),
        (dict(type='EdgeTask', num_channels=3), 'num_channels=3'),
    ],
)
def test_bad_settings_of_quantized_tasks_are_named(cfg, message):
    with pytest.raises(ValueError, match=message):
        TASKS.build(cfg)
