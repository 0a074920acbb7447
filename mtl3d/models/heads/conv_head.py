"""The plainest head: one convolution."""

from torch import Tensor, nn

from mtl3d.registry import MODELS


@MODELS.register_module()
class ConvHead(nn.Module):
    """One convolution from features to raw predictions.

    Args:
        in_channels: Channels of the feature map.
        out_channels: Channels of the raw prediction.
        kernel_size: Side of the (odd) kernel; the map keeps its size.

    Shape:
        Input ``(N, in_channels, h, w)``; output ``(N, out_channels, h, w)``, raw logits.
    """

    def __init__(self, *, in_channels: int, out_channels: int, kernel_size: int = 1) -> None:
        super().__init__()
        self.conv = nn.Conv2d(in_channels, out_channels, kernel_size, padding=kernel_size // 2)

    def forward(self, feature: Tensor) -> Tensor:
        """Map ``(N, in_channels, h, w)`` to ``(N, out_channels, h, w)``."""
        return self.conv(feature)
