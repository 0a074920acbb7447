"""Squeeze and excitation."""

from torch import Tensor, nn


class SqueezeExcite(nn.Module):
    """Scale each channel by a gate computed from the map's mean (Hu et al., CVPR 2018).

    Args:
        channels: Channels of the map.
        reduction: The hidden layer has ``channels // reduction`` units.
    """

    def __init__(self, channels: int, reduction: int = 16) -> None:
        super().__init__()
        hidden = max(channels // reduction, 1)
        self.gate = nn.Sequential(
            nn.Linear(channels, hidden), nn.ReLU(), nn.Linear(hidden, channels), nn.Sigmoid()
        )

    def forward(self, feature: Tensor) -> Tensor:
        """Map ``(N, channels, h, w)`` to the same shape."""
        return feature * self.gate(feature.mean(dim=(-2, -1)))[..., None, None]
