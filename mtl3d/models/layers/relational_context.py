"""ATRC's distillation: every task's feature is refined by what it gathers from the others."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from mtl3d.models.layers.conv_norm_act import ConvNormAct


class RelationalContext(nn.Module):
    """Fuse each task's feature with the contexts of its sources.

    ``r_T = dropout(fuse([f_T, project([context_TS(f_T, f_S)]_S)]))`` (Bruggemann et al., ICCV 2021,
    section 3.1). The projection's normalisation starts at zero, so that a task begins on its own.

    Args:
        contexts: Target -> source -> module, called as ``context(target_feature, source_feature,
            target_regions, source_regions)``. A target may have no sources.
        channels: Channels of every task's feature.
        attention_channels: Channels of every context.
        dropout: Probability with which a channel of the result is dropped.
    """

    def __init__(
        self,
        contexts: Mapping[str, Mapping[str, nn.Module]],
        *,
        channels: int,
        attention_channels: int,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.contexts = nn.ModuleDict(
            {target: nn.ModuleDict(dict(sources)) for target, sources in contexts.items()}
        )
        self.project = nn.ModuleDict()
        self.fuse = nn.ModuleDict()
        for target, sources in contexts.items():
            if sources:
                count = len(sources) * attention_channels
                projection = ConvNormAct(count, channels, 1, act=False)
                nn.init.zeros_(projection.norm.weight)
                self.project[target] = projection
            self.fuse[target] = ConvNormAct(channels * (2 if sources else 1), channels, 1)
        self.dropout = nn.Dropout2d(dropout)

    def forward(
        self, features: Mapping[str, Tensor], regions: Mapping[str, Tensor]
    ) -> dict[str, Tensor]:
        """Refine the features.

        Args:
            features: Task -> ``(N, channels, h, w)``.
            regions: Task -> weights of its label regions ``(N, K, h * w)``; only those tasks whose
                regions a context uses.

        Returns:
            Task -> ``(N, channels, h, w)``.
        """
        refined = {}
        for target, contexts in self.contexts.items():
            own = features[target]
            pooled = [
                context(own, features[source], regions.get(target), regions.get(source))
                for source, context in contexts.items()  # type: ignore[operator]
            ]
            if pooled:
                own = torch.cat([own, self.project[target](torch.cat(pooled, dim=1))], dim=1)
            refined[target] = self.dropout(self.fuse[target](own))
        return refined
