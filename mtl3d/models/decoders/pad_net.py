"""PAD-Net: predict every task once, distil across tasks, predict again."""

from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor, nn

from mtl3d.models.decoders.base import DecoderOutput
from mtl3d.models.decoders.single_heads import concatenate
from mtl3d.models.heads import build_heads
from mtl3d.models.layers import ConvNormAct, MultiModalDistillation, bottleneck_block
from mtl3d.models.tasks.select import select_tasks
from mtl3d.registry import MODELS


@MODELS.register_module()
class PADNetDecoder(nn.Module):
    """Prediction-and-distillation network, in the survey's HRNet version.

    Source: Xu et al., "PAD-Net", CVPR 2018; Vandenhende et al., "Multi-Task Learning for Dense
    Prediction Tasks: A Survey", TPAMI 2021. All scales are resized to the finest and fused by a
    1x1 convolution; each task refines the result by two bottlenecks and predicts (auxiliary output
    ``initial``); the refined features are distilled across tasks, refined again and read out.

    Args:
        in_channels: Channels of the backbone's features, high resolution first.
        out_channels: Task -> channels of its raw prediction; the auxiliary tasks are among them.
            Published weights need the order semseg, human_parts, saliency, normals, edge, depth.
        main_tasks: Tasks that get a final prediction; None for all.
        channels: Width of every task's feature.
        head: Config of every task's last layer.
        heads: Task -> config of its last layer, in place of ``head``.

    Shape:
        Features ``(N, in_channels[i], h_i, w_i)``; predictions and the auxiliary predictions
        ``initial`` are ``(N, out_channels[task], h_0, w_0)``.
    """

    def __init__(
        self,
        *,
        in_channels: Sequence[int],
        out_channels: Mapping[str, int],
        main_tasks: Sequence[str] | None = None,
        channels: int = 256,
        head: Mapping[str, Any] | None = None,
        heads: Mapping[str, Mapping[str, Any]] | None = None,
    ) -> None:
        super().__init__()
        main = select_tasks(out_channels, main_tasks, argument='main_tasks')
        total = sum(in_channels)
        self.fuse = ConvNormAct(total, total, 1, bias=True)
        self.initial_refine = nn.ModuleDict(
            {
                task: nn.Sequential(
                    bottleneck_block(total, channels), bottleneck_block(channels, channels)
                )
                for task in out_channels
            }
        )
        self.initial_heads = nn.ModuleDict(
            {task: nn.Conv2d(channels, count, 1) for task, count in out_channels.items()}
        )
        self.distillation = MultiModalDistillation(list(main), list(out_channels), channels)
        self.refine = nn.ModuleDict(
            {
                task: nn.Sequential(*(bottleneck_block(channels, channels) for _ in range(2)))
                for task in main
            }
        )
        self.heads = build_heads(
            head or dict(type='ConvHead'), heads, in_channels=channels, out_channels=main
        )

    def forward(self, features: Sequence[Tensor]) -> DecoderOutput:
        """Predict every task, twice.

        Args:
            features: Maps ``(N, C_i, h_i, w_i)``, high resolution first.
        """
        shared = self.fuse(concatenate(features))
        refined = {task: refine(shared) for task, refine in self.initial_refine.items()}
        initial = {task: head(refined[task]) for task, head in self.initial_heads.items()}
        distilled = self.distillation(refined)
        predictions = {
            task: self.heads[task](self.refine[task](feature))
            for task, feature in distilled.items()
        }
        return DecoderOutput(predictions, auxiliary=dict(initial=initial))
