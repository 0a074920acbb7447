"""Encoders that tell the tasks apart: which parts they go with, and how their units start."""

import pytest
import torch
from toy import TASKS_CFG, toy_batch, toy_model_cfg

from mtl3d.models.encoders.mixing import CrossStitchUnit, NDDRUnit
from mtl3d.registry import MODELS

ENCODERS = ['CrossStitchEncoder', 'NDDREncoder', 'MTANEncoder']


def cfg(encoder, **overrides):
    return toy_model_cfg(
        backbone=dict(type=encoder, model_name='resnet18'),
        decoder=dict(type='SingleHeadsDecoder'),
        **overrides,
    )


@pytest.mark.parametrize('encoder', ['CrossStitchEncoder', 'NDDREncoder'])
def test_without_a_shared_feature_there_is_nothing_to_regularize(encoder):
    with torch.device('meta'), pytest.raises(ValueError, match='nothing to regularize'):
        MODELS.build(cfg(encoder))


@pytest.mark.parametrize('encoder', ENCODERS)
def test_decoders_that_need_shared_features_are_refused(encoder):
    bad = cfg(encoder, regularizer=None) | dict(decoder=dict(type='ToyDecoder'))
    with torch.device('meta'), pytest.raises(ValueError, match='use SingleHeadsDecoder'):
        MODELS.build(bad)


@pytest.mark.parametrize(
    ('wrong', 'message'),
    [
        (dict(model_name='hrnet_w18'), "model_name='hrnet_w18': this needs a ResNet"),
        (dict(model_name='resnet19'), "Did you mean 'resnet18'"),
        (dict(output_stride=4), 'output_stride=4: valid are 8, 16, 32'),
    ],
)
@pytest.mark.parametrize('encoder', ENCODERS)
def test_wrong_settings_are_named(encoder, wrong, message):
    with torch.device('meta'), pytest.raises(ValueError, match=message):
        MODELS.build(dict(type=encoder, tasks=('depth',), **wrong))


@pytest.mark.parametrize('output_stride', [8, 32])
def test_mtan_takes_images_of_any_size(output_stride):
    with torch.device('meta'):
        encoder = MODELS.build(
            dict(
                type='MTANEncoder',
                tasks=('depth',),
                model_name='resnet18',
                output_stride=output_stride,
            )
        )
        features = encoder(torch.empty(2, 3, 57, 101))
    assert features.per_task['depth'][0].shape == features.shared[0].shape


def test_mtan_is_regularized_at_its_shared_feature():
    model = MODELS.build(cfg('MTANEncoder'))
    losses = model(
        **model.data_preprocessor(toy_batch(0, 1, height=32, width=32), True), mode='loss'
    )
    assert sum(key.startswith('regularizer.') for key in losses) == len(TASKS_CFG)
    rendered = [value for key, value in losses.items() if key.startswith('regularizer.')]
    sum(rendered).backward()
    assert model.backbone.resnet.model.conv1.weight.grad.abs().max() > 0
    assert all(p.grad is None for p in model.backbone.attention.parameters())


def test_a_cross_stitch_of_identity_leaves_the_tasks_alone():
    features = torch.randn(3, 2, 4, 5, 6)
    assert torch.equal(CrossStitchUnit(3, 4, 1.0, 0.0)(features), features)


def test_a_cross_stitch_weighs_tasks_channel_by_channel():
    unit = CrossStitchUnit(2, 3, 0.9, 0.1)
    first, second = torch.randn(2, 1, 3, 4, 4)
    mixed = unit(torch.stack([first, second]))
    assert torch.allclose(mixed[0], 0.9 * first + 0.1 * second)
    unit.weight.data[1, 0] = torch.tensor([0.0, 1.0, 2.0])
    scales = torch.tensor([0.0, 1.0, 2.0]).view(1, 3, 1, 1)
    mixed = unit(torch.stack([first, second]))
    assert torch.allclose(mixed[1], 0.9 * second + scales * first)


def test_nddr_starts_as_a_weighted_sum_of_the_tasks():
    unit = NDDRUnit(2, 3, 0.8, 0.05).eval()
    features = torch.rand(2, 1, 3, 4, 4)
    expected = 0.8 * features[0] + 0.05 * features[1]
    assert torch.allclose(unit(features)[0], expected / (1 + 1e-5) ** 0.5)
