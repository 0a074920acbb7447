"""A head that looks around: parallel dilated depth-wise convolutions before the read-out."""

from collections.abc import Sequence

from torch import Tensor, nn

from mtl3d.registry import MODELS


@MODELS.register_module()
class ContextHead(nn.Module):
    """Add context at several dilation rates to the feature, then read out the prediction.

    Args:
        in_channels: Channels of the feature map.
        out_channels: Channels of the raw prediction.
        rates: Dilation rates of the 3x3 depth-wise convolutions, one each.

    Shape:
        Input ``(N, in_channels, h, w)``; output ``(N, out_channels, h, w)``, raw logits.

    Raises:
        ValueError: ``rates`` is empty.
    """

    def __init__(
        self, *, in_channels: int, out_channels: int, rates: Sequence[int] = (1, 2, 4)
    ) -> None:
        super().__init__()
        if not rates:
            raise ValueError('rates is empty: give at least one dilation rate')
        self.contexts = nn.ModuleList(
            nn.Conv2d(in_channels, in_channels, 3, padding=rate, dilation=rate, groups=in_channels)
            for rate in rates
        )
        self.activation = nn.GELU()
        self.read_out = nn.Conv2d(in_channels, out_channels, 1)

    def forward(self, feature: Tensor) -> Tensor:
        """Map ``(N, in_channels, h, w)`` to ``(N, out_channels, h, w)``."""
        context = sum(self.activation(convolve(feature)) for convolve in self.contexts)
        return self.read_out(feature + context)
