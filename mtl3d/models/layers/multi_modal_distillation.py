"""Multi-modal distillation: each task takes from every other task what a gate lets through."""

from collections.abc import Mapping, Sequence

from torch import Tensor, nn


class GatedMessage(nn.Module):
    """What one task sends another: ``sigmoid(conv(x)) * conv(x)``.

    Args:
        channels: Channels of every task's feature.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.gate = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.value = nn.Conv2d(channels, channels, 3, padding=1, bias=False)

    def forward(self, feature: Tensor) -> Tensor:
        """Map ``(N, channels, h, w)`` to a message of the same shape."""
        return self.gate(feature).sigmoid() * self.value(feature)


class MultiModalDistillation(nn.Module):
    """``d_t = f_t + sum over a != t of gate_ta(f_a) * value_ta(f_a)``.

    Source: Xu et al., "PAD-Net", CVPR 2018, section 3.3, module C; used per scale by MTI-Net.

    Args:
        targets: The tasks that receive.
        sources: The tasks that send; contains the targets.
        channels: Channels of every task's feature.
    """

    def __init__(self, targets: Sequence[str], sources: Sequence[str], channels: int) -> None:
        super().__init__()
        self.messages = nn.ModuleDict(
            {
                target: nn.ModuleDict(
                    {source: GatedMessage(channels) for source in sources if source != target}
                )
                for target in targets
            }
        )

    def forward(self, features: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Map source -> ``(N, channels, h, w)`` to target -> ``(N, channels, h, w)``."""
        distilled = {}
        for target, messages in self.messages.items():
            distilled[target] = features[target]
            for source, message in messages.items():  # type: ignore[operator]
                distilled[target] = distilled[target] + message(features[source])
        return distilled
