"""TimmBackbone over kinds of networks, all of them shrunk, none of them downloaded."""

import pytest
import torch
from torch import nn

from mtl3d.models.backbones import TimmBackbone

TINY_VIT = dict(depth=4, embed_dim=24, num_heads=2)


def tiny_vit(**overrides: object) -> TimmBackbone:
    arguments = dict(
        model_name='vit_tiny_patch16_224',
        img_size=(64, 96),
        out_blocks=(1, 3),
        model_kwargs=TINY_VIT,
    )
    return TimmBackbone(**(arguments | overrides))


def check_shapes(backbone: TimmBackbone, size: tuple[int, int]) -> tuple[torch.Tensor, ...]:
    """Features have the promised channels and strides."""
    backbone.eval()
    with torch.no_grad():
        features = backbone(torch.randn(2, 3, *size))
    assert len(features) == len(backbone.out_channels) == len(backbone.strides)
    for feature, channels, stride in zip(
        features, backbone.out_channels, backbone.strides, strict=True
    ):
        assert feature.shape == (2, channels, size[0] // stride, size[1] // stride)
        assert feature.is_contiguous()
    return features


@pytest.mark.parametrize(
    ('model_name', 'model_kwargs', 'stride'),
    [
        ('vit_tiny_patch16_224', TINY_VIT, 16),
        ('vit_tiny_patch16_224', TINY_VIT | dict(patch_size=8), 8),
        ('vit_small_patch14_dinov2', TINY_VIT | dict(patch_size=16), 16),
        ('vit_small_patch14_reg4_dinov2', TINY_VIT | dict(patch_size=16), 16),
        ('vit_small_patch16_dinov3', TINY_VIT, 16),
    ],
)
def test_plain_vits(model_name, model_kwargs, stride):
    backbone = TimmBackbone(
        model_name=model_name, img_size=(64, 96), out_blocks=(1, 3), model_kwargs=model_kwargs
    )
    assert backbone.out_channels == (24, 24, 24)
    assert backbone.strides == (stride,) * 3
    check_shapes(backbone, (64, 96))


@pytest.mark.parametrize(
    ('arguments', 'channels', 'strides'),
    [
        (dict(model_name='resnet18'), (64, 64, 128, 256, 512), (2, 4, 8, 16, 32)),
        (
            dict(model_name='resnet18', out_indices=(1, 4), model_kwargs=dict(output_stride=8)),
            (64, 512),
            (4, 8),
        ),
        (
            dict(
                model_name='hrnet_w18_small_v2',
                out_indices=(1, 2, 3, 4),
                model_kwargs=dict(feature_location=''),
                upsample_mode='bilinear',
            ),
            (18, 36, 72, 144),
            (4, 8, 16, 32),
        ),
        (
            dict(
                model_name='swin_tiny_patch4_window7_224',
                img_size=(64, 96),
                model_kwargs=dict(depths=(1, 1, 1, 1), embed_dim=12, num_heads=(1, 2, 3, 4)),
            ),
            (12, 24, 48, 96),
            (4, 8, 16, 32),
        ),
    ],
)
def test_pyramids(arguments, channels, strides):
    backbone = TimmBackbone(**arguments)
    assert (backbone.out_channels, backbone.strides) == (channels, strides)
    check_shapes(backbone, (64, 96))


def test_swin_maps_are_not_transposed():
    """A bright patch of the image is found at its own row and column."""
    backbone = TimmBackbone(
        model_name='swin_tiny_patch4_window7_224',
        img_size=(32, 32),
        out_indices=(0,),
        model_kwargs=dict(depths=(1, 1, 1, 1), embed_dim=8, num_heads=(1, 1, 1, 1)),
    ).eval()
    image = torch.zeros(1, 3, 32, 32)
    image[..., 4:8, 20:24] = 1  # one patch: row 1, column 5
    with torch.no_grad():
        patches = backbone.model.patch_embed(image) - backbone.model.patch_embed(0 * image)
        (feature,) = backbone(image)
    assert feature.shape == (1, 8, 8, 8)
    changed = patches[0].abs().sum(-1).nonzero()
    assert changed.tolist() == [[1, 5]]
    background = feature[0, :, 7, 0]
    difference = (feature[0] - background[:, None, None]).norm(dim=0)
    assert divmod(int(difference.argmax()), 8) == (1, 5)


def test_token_maps_are_block_outputs_without_special_tokens():
    backbone = tiny_vit(model_name='vit_small_patch14_reg4_dinov2', img_size=(56, 84)).eval()
    seen: dict[str, torch.Tensor] = {}
    vit = backbone.model
    for name, module in (('0', vit.blocks[0]), ('2', vit.blocks[2]), ('norm', vit.norm)):
        module.register_forward_hook(lambda m, i, o, name=name: seen.update({name: o}))
    with torch.no_grad():
        features = backbone(torch.randn(1, 3, 56, 84))
    for feature, name in zip(features, ('0', '2', 'norm'), strict=True):
        tokens = seen[name][:, 5:]  # one class token and four registers
        assert torch.equal(feature[0, :, 2, 3], tokens[0, 2 * 6 + 3])


def test_drop_path_rises_linearly():
    backbone = tiny_vit(drop_path_rate=0.3)
    rates = [getattr(block.drop_path1, 'drop_prob', 0.0) for block in backbone.model.blocks]
    assert rates == pytest.approx([0.0, 0.1, 0.2, 0.3])


def test_init_weights_of_the_whole_model_leaves_the_weights_alone():
    from mmengine.model import BaseModel

    class Model(BaseModel):
        def __init__(self) -> None:
            super().__init__()
            self.backbone = tiny_vit()

        def forward(self, inputs: torch.Tensor) -> None:
            """Not needed."""

    model = Model()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    assert hasattr(model.backbone.model, 'init_weights')  # what must not be called
    model.init_weights()
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())


def test_gradient_checkpointing_changes_memory_only():
    plain, saving = tiny_vit(), tiny_vit(grad_checkpointing=True)
    saving.load_state_dict(plain.state_dict())
    image = torch.randn(1, 3, 64, 96)
    gradients = []
    for backbone in (plain, saving):
        saved = 0

        def count(tensor: torch.Tensor) -> torch.Tensor:
            nonlocal saved
            saved += tensor.numel()
            return tensor

        with torch.autograd.graph.saved_tensors_hooks(count, lambda tensor: tensor):
            loss = sum(feature.square().sum() for feature in backbone(image))
        gradients.append((saved, torch.autograd.grad(loss, list(backbone.parameters()))))
    (much, expected), (little, found) = gradients
    assert little < much / 2
    assert all(
        torch.allclose(a, b, rtol=1e-5, atol=1e-5) for a, b in zip(expected, found, strict=True)
    )


def test_frozen_means_no_gradients_and_no_statistics():
    backbone = TimmBackbone(model_name='resnet18', out_indices=(1,), frozen=True).train()
    assert not any(module.training for module in backbone.modules())
    before = backbone.model.bn1.running_mean.clone()
    (feature,) = backbone(torch.randn(2, 3, 32, 32))
    assert not feature.requires_grad
    assert torch.equal(backbone.model.bn1.running_mean, before)


def test_upsample_mode_reaches_every_layer():
    backbone = TimmBackbone(model_name='hrnet_w18_small_v2', upsample_mode='bilinear')
    modes = {m.mode for m in backbone.modules() if isinstance(m, nn.Upsample)}
    assert modes == {'bilinear'}
    with pytest.raises(ValueError, match="upsample_mode='bilinear': the model has no"):
        TimmBackbone(model_name='resnet18', upsample_mode='bilinear')


def test_norm_momentum_reaches_every_layer():
    backbone = TimmBackbone(model_name='resnet18', norm_momentum=0.25)
    momenta = {m.momentum for m in backbone.modules() if isinstance(m, nn.BatchNorm2d)}
    assert momenta == {0.25}
    with pytest.raises(ValueError, match=r'norm_momentum=0: must lie in \(0, 1\]'):
        TimmBackbone(model_name='resnet18', norm_momentum=0)
    with pytest.raises(ValueError, match='norm_momentum=0.1: the model has no BatchNorm'):
        tiny_vit(norm_momentum=0.1)


@pytest.mark.parametrize(
    ('wrong', 'message'),
    [
        (dict(model_name='vit_tiny_patch16_242'), "Did you mean 'vit_tiny_patch16_224'"),
        (dict(out_blocks=(0, 2)), r'increasing numbers from 1 to 4'),
        (dict(out_blocks=(3, 2)), r'increasing numbers from 1 to 4'),
        (dict(out_blocks=(2, 5)), r'increasing numbers from 1 to 4'),
        (dict(out_indices=(1,)), 'excludes out_indices'),
        (dict(model_name='resnet18', out_blocks=None, model_kwargs=None), 'leave img_size at None'),
        (dict(model_name='resnet18', img_size=None, model_kwargs=None), 'not a plain ViT'),
        (dict(model_kwargs=dict(dept=2)), 'dept'),
    ],
)
def test_wrong_arguments(wrong, message):
    with pytest.raises(ValueError, match=message):
        tiny_vit(**wrong)


def test_image_of_another_size():
    with pytest.raises(ValueError, match=r'64 x 64.*img_size=\(64, 96\)'):
        tiny_vit()(torch.zeros(1, 3, 64, 64))
