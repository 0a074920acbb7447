"""Pyramids from plain ViTs and single grids from pyramids: shapes, order, refusals."""

import pytest
import torch

from mtl3d.models.backbones import PyramidBackbone, SingleGridBackbone
from mtl3d.registry import MODELS

VIT = dict(
    type='TimmBackbone',
    model_name='vit_tiny_patch16_224',
    img_size=(64, 96),
    out_blocks=(1, 2, 3),
    model_kwargs=dict(embed_dim=24, depth=3, num_heads=1),
)
RESNET = dict(type='TimmBackbone', model_name='resnet18', out_indices=(1, 2, 3, 4))
TASKS = dict(depth=dict(type='DepthTask'), edge=dict(type='EdgeTask'))


def build(backbone, decoder):
    return MODELS.build(
        dict(type='MultiTaskModel', backbone=backbone, decoder=decoder, tasks=TASKS)
    )


def test_levels_of_the_pyramid():
    backbone = PyramidBackbone(backbone=VIT, channels=(4, 6, 8, 10))
    features = backbone(torch.randn(2, 3, 64, 96))
    assert [tuple(x.shape[1:]) for x in features] == [
        (4, 16, 24), (6, 8, 12), (8, 4, 6), (10, 2, 3)
    ]  # fmt: skip
    assert backbone.strides == (4, 8, 16, 32)


def test_shallow_blocks_feed_fine_levels():
    backbone = PyramidBackbone(backbone=VIT, channels=(4, 4, 4, 4)).eval()
    image = torch.randn(2, 3, 64, 96)
    before = backbone(image)
    backbone.backbone.model.blocks[2].mlp.fc2.weight.data.mul_(3)
    after = backbone(image)
    assert torch.equal(before[0], after[0]) and torch.equal(before[1], after[1])
    assert not torch.equal(before[2], after[2]) and not torch.equal(before[3], after[3])


def test_mti_net_runs_on_a_vit():
    pyramid = dict(type='PyramidBackbone', backbone=VIT, channels=(16, 16, 16, 16))
    output = build(pyramid, dict(type='MTINetDecoder'))(torch.randn(2, 3, 64, 96))
    assert output['edge'].shape == (2, 1, 16, 24)


def test_levels_come_to_one_grid():
    backbone = SingleGridBackbone(backbone=RESNET, stride=16)
    assert backbone.strides == (16,) * 4
    image = torch.randn(1, 3, 64, 96)
    own = backbone.backbone(image)
    maps = backbone(image)
    assert [tuple(x.shape[1:]) for x in maps] == [(64, 4, 6), (128, 4, 6), (256, 4, 6), (512, 4, 6)]
    torch.testing.assert_close(maps[0], own[0].unfold(2, 4, 4).unfold(3, 4, 4).mean((-2, -1)))
    assert torch.equal(maps[2], own[2])


def test_invpt_runs_on_a_resnet():
    grid = dict(type='SingleGridBackbone', backbone=RESNET)
    decoder = dict(type='InvPTDecoder', embed_dim=48, prediction_dim=16)
    output = build(grid, decoder)(torch.randn(2, 3, 64, 64))
    assert output['edge'].shape == (2, 1, 16, 16)


def test_wrong_backbones_are_refused():
    with pytest.raises(ValueError, match='strides'):
        PyramidBackbone(backbone=RESNET)
    with pytest.raises(ValueError, match='stride=7'):
        SingleGridBackbone(backbone=RESNET, stride=7)
