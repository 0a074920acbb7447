"""Backbones between decoders that want a pyramid and those that want maps of one grid."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch.nn.functional as F
from torch import Tensor, nn

from mtl3d.models.layers import ConvNormAct
from mtl3d.models.tasks.base import resize
from mtl3d.registry import MODELS


@MODELS.register_module()
class PyramidBackbone(nn.Module):
    """A feature pyramid from the maps of a plain ViT, for MTI-Net and other multi-scale decoders.

    Level i is made from the ViT's i-th map, by one or two transposed convolutions, the map itself
    or a max-pooling, followed by a 1x1 and a 3x3 convolution. The resampling is that of ViTDet (Li
    et al., "Exploring Plain Vision Transformer Backbones for Object Detection", ECCV 2022); that
    shallow blocks feed the fine levels follows DPT (Ranftl et al., ICCV 2021); BatchNorm in the
    place of LayerNorm is our choice.

    Args:
        backbone: Config of a backbone whose four maps have one grid (a ``TimmBackbone`` with three
            ``out_blocks``).
        channels: Channels of each of the four levels.

    Shape:
        Input ``(N, 3, H, W)``; with the ViT's grid ``h x w`` (even), levels ``(N, channels[i], 4 h
        / 2^i, 4 w / 2^i)``: strides 4, 8, 16 and 32 for patches of 16.

    Raises:
        ValueError: The backbone has not four maps of one stride.

    Attributes:
        out_channels: ``channels``.
        strides: Pixels per feature position of each level.
    """

    def __init__(
        self, *, backbone: Mapping[str, Any], channels: Sequence[int] = (128, 256, 512, 1024)
    ) -> None:
        super().__init__()
        self.backbone = MODELS.build(dict(backbone))
        widths = self.backbone.out_channels
        strides = set(self.backbone.strides)
        if len(widths) != 4 or len(strides) != 1 or len(channels) != 4:
            raise ValueError(
                f'PyramidBackbone makes four levels of four maps of one stride, but the backbone '
                f'has maps of strides {tuple(self.backbone.strides)} and channels={tuple(channels)}'
            )
        self.out_channels = tuple(channels)
        stride = strides.pop()
        self.strides = (stride // 4, stride // 2, stride, 2 * stride)
        self.resample = nn.ModuleList(
            [
                nn.Sequential(_upsample(widths[0]), nn.BatchNorm2d(widths[0]), nn.GELU(),
                              _upsample(widths[0])),
                _upsample(widths[1]),
                nn.Identity(),
                nn.MaxPool2d(2),
            ]
        )  # fmt: skip
        self.project = nn.ModuleList(
            nn.Sequential(ConvNormAct(width, count, 1), ConvNormAct(count, count))
            for width, count in zip(widths, channels, strict=True)
        )

    def forward(self, inputs: Tensor) -> tuple[Tensor, ...]:
        """Compute the pyramid of ``(N, 3, H, W)`` images, high resolution first."""
        maps = self.backbone(inputs)
        layers = zip(self.resample, self.project, maps, strict=True)
        return tuple(project(resample(feature)) for resample, project, feature in layers)


def _upsample(channels: int) -> nn.ConvTranspose2d:
    return nn.ConvTranspose2d(channels, channels, 2, stride=2)


@MODELS.register_module()
class SingleGridBackbone(nn.Module):
    """The levels of a pyramid (Swin, HRNet, ResNet) on one grid, for InvPT's decoder.

    Finer levels are averaged down, coarser ones resized bilinearly. This is our choice: the
    published program of InvPT has no backbone but a ViT. It costs the detail of the finest level.

    Args:
        backbone: Config of a backbone with several levels.
        stride: The stride of one of the levels: the common grid.

    Shape:
        Input ``(N, 3, H, W)``; maps ``(N, C_i, H / stride, W / stride)``.

    Raises:
        ValueError: No level has the stride.

    Attributes:
        out_channels: Channels of each map, those of the backbone.
        strides: ``stride`` for each map.
    """

    def __init__(self, *, backbone: Mapping[str, Any], stride: int = 16) -> None:
        super().__init__()
        self.backbone = MODELS.build(dict(backbone))
        self.out_channels = tuple(self.backbone.out_channels)
        levels = tuple(self.backbone.strides)
        if stride not in levels:
            raise ValueError(f'stride={stride}: the backbone has levels of strides {levels}')
        self.strides = (stride,) * len(levels)
        self.level = levels.index(stride)

    def forward(self, inputs: Tensor) -> tuple[Tensor, ...]:
        """Compute the maps of ``(N, 3, H, W)`` images."""
        features = self.backbone(inputs)
        size = features[self.level].shape[-2:]
        return tuple(
            F.adaptive_avg_pool2d(feature, size) if index < self.level else resize(feature, size)
            for index, feature in enumerate(features)
        )
