"""The head of HRNet's segmentation models."""

from torch import Tensor, nn

from mtl3d.models.layers import ConvNormAct
from mtl3d.registry import MODELS


@MODELS.register_module()
class HRNetHead(nn.Module):
    """Mix the channels of concatenated scales, then read out, both by 1 x 1 convolutions.

    Source: Wang et al., "Deep High-Resolution Representation Learning for Visual Recognition",
    TPAMI 2020 (HRNetV2's representation head).

    Args:
        in_channels: Channels of the feature map.
        out_channels: Channels of the raw prediction.

    Shape:
        Input ``(N, in_channels, h, w)``; output ``(N, out_channels, h, w)``, raw logits.
    """

    def __init__(self, *, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.fuse = ConvNormAct(in_channels, in_channels, 1, bias=True)
        self.predict = nn.Conv2d(in_channels, out_channels, 1)

    def forward(self, feature: Tensor) -> Tensor:
        """Map ``(N, in_channels, h, w)`` to ``(N, out_channels, h, w)``."""
        return self.predict(self.fuse(feature))
