"""Pretrained weights from files, for another image size, patch size and naming."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
import timm
import torch
import torch.nn.functional as F
from safetensors.torch import save_file
from torch import Tensor

from mtl3d.models.backbones import TimmBackbone
from mtl3d.models.backbones.pretrained import resize_position_embedding

KWARGS = dict(depth=2, embed_dim=24, num_heads=2)
SIZE = (64, 96)


@pytest.fixture
def source() -> dict[str, Tensor]:
    """Random weights of a tiny ViT for 48 x 48 images: a grid of 3 x 3 patches, with classifier."""
    model = timm.create_model('vit_tiny_patch16_224', img_size=48, num_classes=7, **KWARGS)
    return {name: torch.randn_like(tensor) for name, tensor in model.state_dict().items()}


def backbone(pretrained: object, **overrides: object) -> TimmBackbone:
    arguments = dict(
        model_name='vit_tiny_patch16_224', img_size=SIZE, out_blocks=(1,), model_kwargs=KWARGS
    )
    return TimmBackbone(pretrained=str(pretrained), **(arguments | overrides))


def check_loaded(model: TimmBackbone, source: Mapping[str, Tensor]) -> None:
    """All weights arrived; the position embedding was resized by plain bicubic interpolation."""
    state = model.model.state_dict()
    assert 'head.weight' not in state
    embedding = source['pos_embed']
    grid = embedding[:, 1:].transpose(1, 2).reshape(1, 24, 3, 3)
    grid = F.interpolate(grid, size=(4, 6), mode='bicubic', align_corners=False, antialias=False)
    expected = torch.cat([embedding[:, :1], grid.flatten(2).transpose(1, 2)], dim=1)
    assert torch.equal(state['pos_embed'], expected)
    for name, tensor in state.items():
        assert name == 'pos_embed' or torch.equal(tensor, source[name]), name


def write_augreg(path: Path, source: Mapping[str, Tensor]) -> None:
    """Write weights as the JAX program of the Vision Transformer does."""
    arrays = {
        'cls': source['cls_token'],
        'embedding/kernel': source['patch_embed.proj.weight'].permute(2, 3, 1, 0),
        'embedding/bias': source['patch_embed.proj.bias'],
        'Transformer/posembed_input/pos_embedding': source['pos_embed'],
        'Transformer/encoder_norm/scale': source['norm.weight'],
        'Transformer/encoder_norm/bias': source['norm.bias'],
        'head/kernel': source['head.weight'].T,
        'head/bias': source['head.bias'],
    }
    for index in range(2):
        block, ours = f'Transformer/encoderblock_{index}', f'blocks.{index}'
        for theirs, norm in (('LayerNorm_0', 'norm1'), ('LayerNorm_2', 'norm2')):
            arrays[f'{block}/{theirs}/scale'] = source[f'{ours}.{norm}.weight']
            arrays[f'{block}/{theirs}/bias'] = source[f'{ours}.{norm}.bias']
        attention = f'{block}/MultiHeadDotProductAttention_1'
        weights = source[f'{ours}.attn.qkv.weight'].chunk(3)
        biases = source[f'{ours}.attn.qkv.bias'].chunk(3)
        for part, weight, bias in zip(('query', 'key', 'value'), weights, biases, strict=True):
            arrays[f'{attention}/{part}/kernel'] = weight.T.reshape(24, 2, 12)
            arrays[f'{attention}/{part}/bias'] = bias.reshape(2, 12)
        arrays[f'{attention}/out/kernel'] = source[f'{ours}.attn.proj.weight'].T.reshape(2, 12, 24)
        arrays[f'{attention}/out/bias'] = source[f'{ours}.attn.proj.bias']
        for theirs, layer in (('Dense_0', 'fc1'), ('Dense_1', 'fc2')):
            arrays[f'{block}/MlpBlock_3/{theirs}/kernel'] = source[f'{ours}.mlp.{layer}.weight'].T
            arrays[f'{block}/MlpBlock_3/{theirs}/bias'] = source[f'{ours}.mlp.{layer}.bias']
    np.savez(path, **{name: tensor.numpy() for name, tensor in arrays.items()})


def test_augreg_npz(tmp_path, source):
    write_augreg(tmp_path / 'vit.npz', source)
    check_loaded(backbone(tmp_path / 'vit.npz'), source)


def test_our_reading_of_augreg_equals_timms(tmp_path, source):
    write_augreg(tmp_path / 'vit.npz', source)
    theirs = timm.create_model('vit_tiny_patch16_224', img_size=48, num_classes=7, **KWARGS)
    theirs.load_pretrained(str(tmp_path / 'vit.npz'))
    ours = backbone(tmp_path / 'vit.npz', img_size=(48, 48)).model.state_dict()
    assert all(torch.equal(ours[name], theirs.state_dict()[name]) for name in ours)


@pytest.mark.parametrize('wrapping', ['bare', 'model', 'ddp'])
def test_pth(tmp_path, source, wrapping):
    checkpoint = dict(source)
    if wrapping == 'model':
        checkpoint = dict(model=checkpoint, epoch=3)
    if wrapping == 'ddp':
        checkpoint = dict(state_dict={f'module.{name}': t for name, t in source.items()})
    torch.save(checkpoint, tmp_path / 'vit.pth')
    check_loaded(backbone(tmp_path / 'vit.pth'), source)


def test_safetensors(tmp_path, source):
    save_file(source, tmp_path / 'vit.safetensors')
    check_loaded(backbone(tmp_path / 'vit.safetensors'), source)


def test_another_patch_size(tmp_path, source):
    torch.save(source, tmp_path / 'vit.pth')
    model = backbone(tmp_path / 'vit.pth', model_kwargs=KWARGS | dict(patch_size=8))
    assert model.strides == (8, 8)
    assert model.model.pos_embed.shape == (1, 1 + 8 * 12, 24)
    assert torch.equal(model.model.blocks[1].mlp.fc1.weight, source['blocks.1.mlp.fc1.weight'])


@pytest.mark.parametrize('name', ['resnet18', 'hrnet_w18_small_v2', 'swin_tiny_patch4_window7_224'])
def test_pyramid_from_a_file(tmp_path, name):
    kwargs = {}
    if 'swin' in name:
        kwargs = dict(depths=(1, 1, 1, 1), embed_dim=12, num_heads=(1, 2, 3, 4))
    whole = timm.create_model(name, **kwargs)
    torch.save(whole.state_dict(), tmp_path / 'weights.pth')
    model = TimmBackbone(
        model_name=name, pretrained=str(tmp_path / 'weights.pth'), model_kwargs=kwargs
    )
    values = {n.replace('.', '_'): t for n, t in whole.state_dict().items()}
    for own_name, tensor in model.model.state_dict().items():
        assert torch.equal(tensor, values[own_name.replace('.', '_')]), own_name


def test_pickles_are_refused(tmp_path):
    torch.save(dict(model=object()), tmp_path / 'evil.pth')
    with pytest.raises(ValueError, match='refused'):
        backbone(tmp_path / 'evil.pth')


def test_missing_file(tmp_path):
    with pytest.raises(FileNotFoundError, match='none.pth'):
        backbone(tmp_path / 'none.pth')


def test_weights_of_another_architecture(tmp_path, source):
    torch.save(timm.create_model('resnet18').state_dict(), tmp_path / 'resnet.pth')
    with pytest.raises(
        ValueError, match='do not fit vit_tiny_patch16_224: [0-9]+ of [0-9]+ tensors'
    ):
        backbone(tmp_path / 'resnet.pth')
    torch.save(source, tmp_path / 'vit.pth')
    with pytest.raises(ValueError, match='does not fit vit_tiny_patch16_224.*size mismatch'):
        backbone(tmp_path / 'vit.pth', model_kwargs=KWARGS | dict(mlp_ratio=2))


def test_weights_of_a_deeper_network(tmp_path):
    with torch.device('meta'):
        deep = timm.create_model('hrnet_w18').state_dict()
    torch.save(
        {name: torch.zeros(()).expand(x.shape) for name, x in deep.items()}, tmp_path / 'w.pth'
    )
    with pytest.raises(ValueError, match=r'deeper network, with layer1.3 where .* layer1.1'):
        TimmBackbone(
            model_name='hrnet_w18_small_v2',
            pretrained=str(tmp_path / 'w.pth'),
            model_kwargs=dict(feature_location=''),
        )


def test_without_network_the_advice_is_a_file(tmp_path, monkeypatch):
    def unreachable(*args: object, **kwargs: object) -> None:
        if kwargs.get('pretrained'):
            raise OSError('Name or service not known')
        return create(*args, **kwargs)

    create = timm.create_model
    monkeypatch.setattr(timm, 'create_model', unreachable)
    with pytest.raises(ConnectionError, match="Name or service.*pretrained='path/to/file'"):
        TimmBackbone(model_name='vit_tiny_patch16_224', pretrained=True, out_blocks=(1,))


def test_hub_weights_are_taken_at_their_own_size(source, monkeypatch):
    """pretrained=True gives what the same weights from a file give."""
    create = timm.create_model

    def hub(name: str, **kwargs: object) -> torch.nn.Module:
        if not kwargs.get('pretrained') or 'pretrained_cfg_overlay' in kwargs:
            return create(name, **kwargs)
        assert kwargs == dict(pretrained=True, **KWARGS)
        model = create(name, img_size=48, num_classes=7, **KWARGS)
        model.load_state_dict(source)
        return model

    monkeypatch.setattr(timm, 'create_model', hub)
    model = TimmBackbone(
        model_name='vit_tiny_patch16_224', pretrained=True, img_size=SIZE, out_blocks=(1,),
        model_kwargs=KWARGS,
    )  # fmt: skip
    check_loaded(model, source)


def test_position_embedding_of_the_right_grid_is_left_alone():
    embedding = torch.randn(1, 1 + 9, 4)
    assert resize_position_embedding(embedding, (3, 3), 1) is embedding
    oblong = torch.randn(1, 1 + 6, 4)
    assert resize_position_embedding(oblong, (2, 3), 1) is oblong
    with pytest.raises(ValueError, match='not of a square grid'):
        resize_position_embedding(oblong, (3, 3), 1)
