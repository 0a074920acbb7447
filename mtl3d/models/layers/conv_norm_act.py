"""Convolution, batch normalisation and rectification."""

from torch import Tensor, nn


class ConvNormAct(nn.Sequential):
    """A convolution that keeps the map's size (at stride 1), BatchNorm, and by default a ReLU.

    The modules are called ``conv``, ``norm`` and ``act``.

    Args:
        in_channels: Channels of the input map.
        out_channels: Channels of the output map.
        kernel_size: Side of the (odd) kernel.
        stride: Stride of the convolution.
        dilation: Dilation of the convolution; the padding follows it.
        groups: Groups of the convolution; ``in_channels`` makes it depth-wise.
        bias: Give the convolution a bias, although the normalisation has one.
        act: End with a ReLU.
        affine: Give the normalisation a learnt scale and shift.

    Shape:
        Input ``(N, in_channels, h, w)``; output ``(N, out_channels, ceil(h / stride),
        ceil(w / stride))``.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int = 3,
        *,
        stride: int = 1,
        dilation: int = 1,
        groups: int = 1,
        bias: bool = False,
        act: bool = True,
        affine: bool = True,
    ) -> None:
        super().__init__()
        self.conv = nn.Conv2d(
            in_channels,
            out_channels,
            kernel_size,
            stride=stride,
            padding=dilation * (kernel_size // 2),
            dilation=dilation,
            groups=groups,
            bias=bias,
        )
        self.norm = nn.BatchNorm2d(out_channels, affine=affine)
        if act:
            self.act = nn.ReLU()

    def forward(self, feature: Tensor) -> Tensor:
        """Map ``(N, in_channels, h, w)`` to ``(N, out_channels, h', w')``."""
        return super().forward(feature)
