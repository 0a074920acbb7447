"""Decoders that predict once, exchange features between tasks, and predict again."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor, nn

from mtl3d.models.decoders.base import DecoderOutput
from mtl3d.models.decoders.single_heads import concatenate
from mtl3d.models.heads import build_heads
from mtl3d.models.layers import ConvNormAct


class TwoStepDecoder(nn.Module, ABC):
    """What PAP and PSD have in common; they differ in :meth:`exchange`.

    All features are resized to the first and concatenated; per task a 3x3 convolution makes its own
    feature, from which it predicts (auxiliary output ``initial``). After the exchange another 3x3
    convolution and the head make the final prediction.

    Args:
        in_channels: Channels of the backbone's features, high resolution first.
        out_channels: Task -> channels of its raw prediction.
        channels: Width of every task's feature.
        head: Config of every task's last layer; a ``ConvHead`` if None.
        heads: Task -> config of its last layer, in place of ``head``.
    """

    def __init__(
        self,
        *,
        in_channels: Sequence[int],
        out_channels: Mapping[str, int],
        channels: int,
        head: Mapping[str, Any] | None,
        heads: Mapping[str, Mapping[str, Any]] | None,
    ) -> None:
        super().__init__()
        self.bottlenecks = nn.ModuleDict(
            {task: ConvNormAct(sum(in_channels), channels) for task in out_channels}
        )
        self.initial_heads = nn.ModuleDict(
            {task: nn.Conv2d(channels, count, 1) for task, count in out_channels.items()}
        )
        self.refine = nn.ModuleDict(
            {task: ConvNormAct(channels, channels) for task in out_channels}
        )
        self.heads = build_heads(
            head or dict(type='ConvHead'), heads, in_channels=channels, out_channels=out_channels
        )

    @abstractmethod
    def exchange(self, features: dict[str, Tensor]) -> dict[str, Tensor]:
        """Map task -> ``(N, channels, h, w)`` to the same, with what the other tasks know."""

    def forward(self, features: Sequence[Tensor]) -> DecoderOutput:
        """Predict every task, twice.

        Args:
            features: Maps ``(N, C_i, h_i, w_i)``, high resolution first.
        """
        shared = concatenate(features)
        own = {task: bottleneck(shared) for task, bottleneck in self.bottlenecks.items()}
        initial = {task: head(own[task]) for task, head in self.initial_heads.items()}
        predictions = {
            task: self.heads[task](self.refine[task](feature))
            for task, feature in self.exchange(own).items()
        }
        return DecoderOutput(predictions, auxiliary=dict(initial=initial))
