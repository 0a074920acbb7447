"""MTI-Net: distil across tasks at every scale, from coarse to fine."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mtl3d.models.decoders.base import DecoderOutput
from mtl3d.models.decoders.single_heads import concatenate
from mtl3d.models.heads import build_heads
from mtl3d.models.layers import FeaturePropagation, MultiModalDistillation, basic_block
from mtl3d.models.tasks.select import select_tasks
from mtl3d.registry import MODELS


class InitialPrediction(nn.Module):
    """At one scale, refine the feature for each task and predict from it.

    Args:
        in_channels: Channels that enter the refinement.
        channels: Channels of the backbone at this scale, the width of every task's feature.
        out_channels: Task -> channels of its raw prediction.
    """

    def __init__(self, in_channels: int, channels: int, out_channels: Mapping[str, int]) -> None:
        super().__init__()
        self.refine = nn.ModuleDict(
            {
                task: nn.Sequential(
                    basic_block(in_channels, channels), basic_block(channels, channels)
                )
                for task in out_channels
            }
        )
        self.heads = nn.ModuleDict(
            {task: nn.Conv2d(channels, count, 1) for task, count in out_channels.items()}
        )

    def forward(
        self, feature: Tensor, coarser: Mapping[str, Tensor] | None
    ) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        """Refine and predict.

        Args:
            feature: ``(N, channels, h, w)`` of the backbone.
            coarser: Task -> ``(N, C, h/2, w/2)`` propagated from the next coarser scale, or None.

        Returns:
            Task -> refined feature ``(N, channels, h, w)``, and task -> raw prediction.
        """
        refined = {}
        for task, refine in self.refine.items():
            entry = feature
            if coarser is not None:
                doubled = F.interpolate(coarser[task], scale_factor=2, mode='bilinear')
                entry = torch.cat([feature, doubled], dim=1)
            refined[task] = refine(entry)
        return refined, {task: head(refined[task]) for task, head in self.heads.items()}


@MODELS.register_module()
class MTINetDecoder(nn.Module):
    """Multi-scale task interaction network (Vandenhende et al., ECCV 2020).

    From the coarsest scale to the finest, every task refines the backbone's feature together with
    what :class:`~mtl3d.models.layers.FeaturePropagation` hands over from the scale below, and
    predicts (auxiliary outputs ``scale_0`` ... ``scale_3``, finest first). At each scale the
    refined features are distilled across tasks; the head sees all distilled scales.

    Args:
        in_channels: Channels of the backbone's features, high resolution first; each feature has
            half the resolution of the one before.
        out_channels: Task -> channels of its raw prediction; the auxiliary tasks are among them.
            Published weights need the order semseg, human_parts, saliency, normals, edge, depth.
        main_tasks: Tasks that get a final prediction; None for all.
        head: Config of every task's head.
        heads: Task -> config of its head, in place of ``head``.

    Shape:
        Features ``(N, in_channels[i], h / 2^i, w / 2^i)``, with h and w divisible by 2^(scales -
        1). Predictions ``(N, out_channels[task], h, w)``; the auxiliary predictions ``scale_i``
        have the resolution of feature i.

    Raises:
        ValueError: When called: a feature is not exactly half the size of the one before.
    """

    def __init__(
        self,
        *,
        in_channels: Sequence[int],
        out_channels: Mapping[str, int],
        main_tasks: Sequence[str] | None = None,
        head: Mapping[str, Any] | None = None,
        heads: Mapping[str, Mapping[str, Any]] | None = None,
    ) -> None:
        super().__init__()
        main = select_tasks(out_channels, main_tasks, argument='main_tasks')
        tasks = list(out_channels)
        coarser = [*in_channels[1:], 0]
        self.initial = nn.ModuleList(
            InitialPrediction(channels + extra, channels, out_channels)
            for channels, extra in zip(in_channels, coarser, strict=True)
        )
        self.propagation = nn.ModuleList(FeaturePropagation(tasks, c) for c in in_channels[1:])
        self.distillation = nn.ModuleList(
            MultiModalDistillation(list(main), tasks, channels) for channels in in_channels
        )
        self.heads = build_heads(
            head or dict(type='HRNetHead'),
            heads,
            in_channels=sum(in_channels),
            out_channels=main,
        )

    def forward(self, features: Sequence[Tensor]) -> DecoderOutput:
        """Predict every task, at every scale and finally.

        Args:
            features: Maps ``(N, C_i, h / 2^i, w / 2^i)``, high resolution first.
        """
        self._check_sizes(features)
        propagated: dict[str, Tensor] | None = None
        auxiliary: dict[str, dict[str, Tensor]] = {}
        distilled: list[dict[str, Tensor]] = []
        for scale in reversed(range(len(features))):
            refined, predicted = self.initial[scale](features[scale], propagated)
            auxiliary[f'scale_{scale}'] = predicted
            # The refined features are distilled, not the propagated ones.
            distilled.insert(0, self.distillation[scale](refined))
            if scale:
                propagated = self.propagation[scale - 1](refined)
        predictions = {
            task: head(concatenate([maps[task] for maps in distilled]))
            for task, head in self.heads.items()
        }
        return DecoderOutput(predictions, auxiliary)

    @staticmethod
    def _check_sizes(features: Sequence[Tensor]) -> None:
        sizes = [tuple(feature.shape[-2:]) for feature in features]
        for fine, coarse in zip(sizes, sizes[1:], strict=False):
            if fine != (2 * coarse[0], 2 * coarse[1]):
                raise ValueError(
                    f'MTI-Net doubles each scale, but the features are {sizes}. It needs a pyramid '
                    '(HRNet, Swin, a ViT in a PyramidBackbone) and images whose sides are '
                    'divisible by its coarsest stride (32 for HRNet).'
                )
