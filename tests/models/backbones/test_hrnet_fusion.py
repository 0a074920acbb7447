"""HRNet for images of any size, where timm's own takes multiples of 32 only."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from mtl3d.models.backbones import TimmBackbone
from mtl3d.models.backbones.hrnet_fusion import BranchUpsample, accept_any_size


def hrnet(**options):
    torch.manual_seed(0)
    return TimmBackbone(
        model_name='hrnet_w18_small',
        out_indices=(1, 2, 3, 4),
        model_kwargs=dict(feature_location=''),
        **options,
    ).eval()


@pytest.mark.parametrize('upsample_mode', ['bilinear', None])
def test_odd_sizes(upsample_mode):
    backbone = hrnet(upsample_mode=upsample_mode)
    with torch.no_grad():
        shapes = [tuple(f.shape[-2:]) for f in backbone(torch.randn(1, 3, 105, 141))]
        assert shapes == [(27, 36), (14, 18), (7, 9), (4, 5)]
        # The sizes are those of this image, not of the one before.
        shapes = [tuple(f.shape[-2:]) for f in backbone(torch.randn(1, 3, 70, 64))]
        assert shapes == [(18, 16), (9, 8), (5, 4), (3, 2)]


def test_two_steps_where_one_would_give_other_numbers():
    layer = BranchUpsample(scale_factor=2.0, mode='bilinear')
    maps = torch.randn(1, 2, 14, 18)
    layer.branch_size = (27, 36)
    doubled = F.interpolate(maps, scale_factor=2.0, mode='bilinear')
    expected = F.interpolate(doubled, (27, 36), mode='bilinear')
    assert torch.equal(layer(maps), expected)
    assert not torch.allclose(expected, F.interpolate(maps, (27, 36), mode='bilinear'))


def test_sizes_that_fit_give_the_same_bits_as_timm():
    backbone = hrnet()
    image = torch.randn(1, 3, 64, 96)
    with torch.no_grad():
        ours = backbone(image)
        for module in backbone.modules():
            module._forward_pre_hooks.clear()
            if isinstance(module, nn.Sequential) and isinstance(module[-1], BranchUpsample):
                module[-1] = nn.Upsample(scale_factor=module[-1].scale_factor, mode='nearest')
        for a, b in zip(ours, backbone(image), strict=True):
            assert torch.equal(a, b)


def test_other_models_are_left_alone():
    model = nn.Sequential(nn.Conv2d(3, 3, 1), nn.Upsample(scale_factor=2))
    accept_any_size(model)
    assert type(model[1]) is nn.Upsample
