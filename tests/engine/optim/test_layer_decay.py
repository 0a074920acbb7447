"""Layer-wise learning-rate decay: every parameter once, at the rate of its depth."""

import pytest
import torch
from mmengine.optim import build_optim_wrapper
from torch import nn

from mtl3d.engine.optim.layer_decay import layer_indices
from mtl3d.models.backbones import TimmBackbone


def wrapper(model, **paramwise):
    return build_optim_wrapper(
        model,
        dict(
            type='OptimWrapper',
            constructor='mtl3d.LayerDecayConstructor',
            paramwise_cfg=dict(layer_decay=0.5) | paramwise,
            optimizer=dict(type='AdamW', lr=1.0, weight_decay=0.1),
        ),
    )


@pytest.fixture
def model():
    vit = dict(embed_dim=8, depth=3, num_heads=1, patch_size=8)
    backbone = TimmBackbone(
        model_name='vit_tiny_patch16_224', img_size=(16, 16), out_blocks=(1,), model_kwargs=vit
    )
    return nn.ModuleDict(dict(backbone=backbone, decoder=nn.Conv2d(8, 3, 1)))


def settings(optim_wrapper, model, name):
    parameter = model.get_parameter(name)
    groups = optim_wrapper.optimizer.param_groups
    (group,) = [g for g in groups if any(p is parameter for p in g['params'])]
    return group['lr'], group['weight_decay']


def test_rates_fall_towards_the_image(model):
    optim_wrapper = wrapper(model, norm_decay_mult=0.0)
    for name, expected in {
        'backbone.model.pos_embed': (0.5**4, 0.1),
        'backbone.model.patch_embed.proj.weight': (0.5**4, 0.1),
        'backbone.model.blocks.0.attn.qkv.weight': (0.5**3, 0.1),
        'backbone.model.blocks.0.norm1.weight': (0.5**3, 0.0),
        'backbone.model.blocks.2.mlp.fc2.bias': (0.5, 0.1),
        'backbone.model.norm.weight': (0.5, 0.0),
        'decoder.weight': (1.0, 0.1),
    }.items():
        assert settings(optim_wrapper, model, name) == expected, name


def test_every_trained_parameter_is_in_one_group(model):
    model.backbone.model.patch_embed.requires_grad_(False)
    groups = wrapper(model).optimizer.param_groups
    grouped = [id(p) for group in groups for p in group['params']]
    trained = [id(p) for p in model.parameters() if p.requires_grad]
    assert sorted(grouped) == sorted(trained)
    assert len(groups) == 5  # embeddings, three blocks, decoder


def test_custom_keys_multiply(model):
    optim_wrapper = wrapper(model, custom_keys=dict(qkv=dict(lr_mult=3.0, decay_mult=0.0)))
    lr, decay = settings(optim_wrapper, model, 'backbone.model.blocks.1.attn.qkv.weight')
    assert (lr, decay) == (3.0 * 0.25, 0.0)


def test_swin_counts_its_blocks_across_stages():
    with torch.device('meta'):
        swin = TimmBackbone(model_name='swin_tiny_patch4_window7_224', img_size=(64, 64))
    layers = layer_indices(name for name, _ in swin.named_parameters())
    assert max(layers.values()) == 12
    assert layers['model.patch_embed.proj.weight'] == 0
    assert layers['model.layers_0.blocks.1.mlp.fc1.weight'] == 2
    assert layers['model.layers_1.downsample.norm.weight'] == 2
    assert layers['model.layers_3.blocks.1.mlp.fc2.weight'] == 12


@pytest.mark.parametrize('decay', [0.0, 1.5, None])
def test_wrong_factors_are_refused(model, decay):
    with pytest.raises(ValueError, match='layer_decay'):
        wrapper(model, **{'layer_decay': decay})


def test_a_backbone_without_blocks_is_refused():
    with pytest.raises(ValueError, match='blocks'):
        wrapper(nn.ModuleDict(dict(backbone=nn.Conv2d(3, 3, 1))))
