"""The head of DeepLab-v3: context at several dilation rates, then two convolutions."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from mtl3d.models.layers import ConvNormAct
from mtl3d.models.tasks.base import resize
from mtl3d.registry import MODELS


@MODELS.register_module()
class ASPPHead(nn.Module):
    """Atrous spatial pyramid pooling (Chen et al., "Rethinking Atrous Convolution", 2017).

    A 1x1 branch, one 3x3 branch per dilation rate and one of the image's mean are concatenated and
    projected; a 3x3 convolution and the read-out follow.

    Args:
        in_channels: Channels of the feature map.
        out_channels: Channels of the raw prediction.
        channels: Width of every branch.
        rates: Dilation rates.
        dropout: Probability, after the projection.

    Shape:
        Input ``(N, in_channels, h, w)``; output ``(N, out_channels, h, w)``, raw logits. In
        training N must be at least 2, since the mean of one image cannot be batch-normalised.
    """

    def __init__(
        self,
        *,
        in_channels: int,
        out_channels: int,
        channels: int = 256,
        rates: Sequence[int] = (12, 24, 36),
        dropout: float = 0.5,
    ) -> None:
        super().__init__()
        self.branches = nn.ModuleList(
            [
                ConvNormAct(in_channels, channels, 1),
                *(ConvNormAct(in_channels, channels, dilation=rate) for rate in rates),
            ]
        )
        self.image_branch = ConvNormAct(in_channels, channels, 1)
        self.project = ConvNormAct((len(rates) + 2) * channels, channels, 1)
        self.dropout = nn.Dropout(dropout)
        self.refine = ConvNormAct(channels, channels)
        self.predict = nn.Conv2d(channels, out_channels, 1)

    def forward(self, feature: Tensor) -> Tensor:
        """Map ``(N, in_channels, h, w)`` to ``(N, out_channels, h, w)``.

        Raises:
            ValueError: A batch of one image in training mode.
        """
        if self.training and len(feature) == 1:
            raise ValueError(
                'ASPPHead cannot train with one image per process: BatchNorm has a single value of '
                "the image's mean. Set the batch size to 2 or more."
            )
        mean = self.image_branch(feature.mean(dim=(-2, -1), keepdim=True))
        maps = [branch(feature) for branch in self.branches]
        maps.append(resize(mean, feature.shape[-2:]))
        return self.predict(self.refine(self.dropout(self.project(torch.cat(maps, dim=1)))))
