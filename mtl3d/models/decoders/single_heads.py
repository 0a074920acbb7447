"""Hard parameter sharing: one encoder, one head per task, nothing between the tasks."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from mtl3d.models.decoders.base import DecoderOutput
from mtl3d.models.encoders.base import TaskFeatures
from mtl3d.models.heads import build_heads
from mtl3d.models.layers import ConvNormAct
from mtl3d.models.tasks.base import resize
from mtl3d.registry import MODELS


@MODELS.register_module()
class SingleHeadsDecoder(nn.Module):
    """The vanilla multi-task baseline; with one task, the single-task baseline.

    All features (shared, or the task's own) are resized bilinearly to the largest grid and
    concatenated. Per task follow, if
    ``channels`` is given, a bottleneck (3 x 3 convolution, BatchNorm, ReLU) and the head. The
    published baselines are

    - ``head=dict(type='HRNetHead')``: Vandenhende et al., "Multi-Task Learning for Dense Prediction
      Tasks: A Survey", TPAMI 2021, on HRNet;
    - ``channels`` a quarter of the features' channels and the default head: Bruggemann et al.,
      "Exploring Relational Context for Multi-Task Dense Prediction", ICCV 2021.

    Args:
        in_channels: Channels of each feature.
        out_channels: Task -> channels of the raw prediction.
        channels: Width of each task's bottleneck; None leaves it out.
        head: Config of every task's head.
        heads: Task -> config of that task's head, in place of ``head``.

    Shape:
        Features ``(N, in_channels[i], h_i, w_i)`` of any grids; predictions ``(N,
        out_channels[task], h, w)`` at the grid of the first feature, which is the largest.
    """

    accepts_task_features = True

    def __init__(
        self,
        *,
        in_channels: Sequence[int],
        out_channels: Mapping[str, int],
        channels: int | None = None,
        head: Mapping[str, Any] | None = None,
        heads: Mapping[str, Mapping[str, Any]] | None = None,
    ) -> None:
        super().__init__()
        total = sum(in_channels)
        self.bottlenecks = nn.ModuleDict(
            {}
            if channels is None
            else {task: ConvNormAct(total, channels) for task in out_channels}
        )
        self.heads = build_heads(
            head or dict(type='ConvHead'),
            heads,
            in_channels=channels or total,
            out_channels=out_channels,
        )

    def forward(self, features: Sequence[Tensor] | TaskFeatures) -> DecoderOutput:
        """Predict every task at the grid of the first feature, shared or its own."""
        if isinstance(features, TaskFeatures):
            entries = {task: concatenate(own) for task, own in features.per_task.items()}
        else:
            entries = dict.fromkeys(self.heads, concatenate(features))
        predictions = {}
        for task, head in self.heads.items():
            entry = entries[task]
            predictions[task] = head(self.bottlenecks[task](entry) if self.bottlenecks else entry)
        return DecoderOutput(predictions=predictions)


def concatenate(features: Sequence[Tensor]) -> Tensor:
    """Join ``(N, C_i, h_i, w_i)`` maps, resized bilinearly to the first, along the channels."""
    size = features[0].shape[-2:]
    return torch.cat([resize(feature, size) for feature in features], dim=1)
