"""The small convolutional encoder in front of a regularizer."""

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor, nn

from mtl3d.models.tasks.base import resize

Features = Literal['all'] | int


class FeatureEncoder(nn.Module):
    """Bring shared features to one size and convolve them twice.

    Two 3x3 convolutions, each followed by BatchNorm and ReLU, with dropout between them (ICLR 2024
    paper, section 4.1; kernel size, hidden width and the place of the dropout are our choices).

    Args:
        in_channels: Channels of each of the backbone's features, high resolution first.
        out_channels: Channels of the result.
        hidden_channels: Channels between the two convolutions.
        size: (H, W) to which the features are resized bilinearly; None keeps the size of the
            first of them.
        features: ``all`` concatenates all features, for encoders with several scales; an index
            takes one of them (-1: the last of a ViT's token maps).
        dropout: Probability of dropping an activation.
        stop_gradient: Keep gradients from the shared encoder, for ablation.

    Shape:
        Input: features ``(N, in_channels[i], h_i, w_i)``; output ``(N, out_channels, *size)``.

    Raises:
        ValueError: ``features`` is neither ``all`` nor an index into ``in_channels``.
    """

    def __init__(
        self,
        *,
        in_channels: Sequence[int],
        out_channels: int,
        hidden_channels: int,
        size: tuple[int, int] | None,
        features: Features = 'all',
        dropout: float = 0.15,
        stop_gradient: bool = False,
    ) -> None:
        super().__init__()
        if features != 'all' and features not in range(-len(in_channels), len(in_channels)):
            raise ValueError(
                f"features={features!r}: give 'all' or an index into the {len(in_channels)} "
                'features of the backbone'
            )
        self.size = size
        self.features = features
        self.stop_gradient = stop_gradient
        channels = sum(in_channels) if features == 'all' else in_channels[features]
        self.layers = nn.Sequential(
            *_block(channels, hidden_channels),
            nn.Dropout(dropout),
            *_block(hidden_channels, out_channels),
        )

    def forward(self, features: Sequence[Tensor]) -> Tensor:
        """Encode features ``(N, C_i, h_i, w_i)`` into ``(N, out_channels, *size)``."""
        chosen = list(features) if self.features == 'all' else [features[self.features]]
        size = self.size or chosen[0].shape[-2:]
        joined = torch.cat([resize(feature, size) for feature in chosen], dim=1)
        return self.layers(joined.detach() if self.stop_gradient else joined)


def _block(in_channels: int, out_channels: int) -> list[nn.Module]:
    """Convolution (its bias would vanish in the normalisation), BatchNorm, ReLU."""
    return [
        nn.Conv2d(in_channels, out_channels, 3, padding=1, bias=False),
        nn.BatchNorm2d(out_channels),
        nn.ReLU(inplace=True),
    ]
