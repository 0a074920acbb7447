"""The two residual blocks of ResNet, as decoders use them: stride 1, any change of width."""

from torch import Tensor, nn

from mtl3d.models.layers.conv_norm_act import ConvNormAct


class ResidualBlock(nn.Module):
    """``relu(body(x) + shortcut(x))``; the shortcut is a 1x1 projection where the width changes.

    Args:
        body: From ``(N, in_channels, h, w)`` to ``(N, out_channels, h, w)``, without the last ReLU.
        in_channels: Channels of the input map.
        out_channels: Channels of the output map.
    """

    def __init__(self, body: nn.Module, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.body = body
        same = in_channels == out_channels
        self.shortcut = (
            nn.Identity() if same else ConvNormAct(in_channels, out_channels, 1, act=False)
        )
        self.act = nn.ReLU()

    def forward(self, feature: Tensor) -> Tensor:
        """Map ``(N, in_channels, h, w)`` to ``(N, out_channels, h, w)``."""
        return self.act(self.body(feature) + self.shortcut(feature))


def basic_block(in_channels: int, out_channels: int) -> ResidualBlock:
    """Make a block of two 3x3 convolutions (He et al., CVPR 2016, figure 5 left)."""
    body = nn.Sequential(
        ConvNormAct(in_channels, out_channels),
        ConvNormAct(out_channels, out_channels, act=False),
    )
    return ResidualBlock(body, in_channels, out_channels)


def bottleneck_block(in_channels: int, out_channels: int) -> ResidualBlock:
    """Make a 1x1, 3x3, 1x1 block with a quarter of the width (He et al., figure 5 right)."""
    hidden = out_channels // 4
    body = nn.Sequential(
        ConvNormAct(in_channels, hidden, 1),
        ConvNormAct(hidden, hidden),
        ConvNormAct(hidden, out_channels, 1, act=False),
    )
    return ResidualBlock(body, in_channels, out_channels)
