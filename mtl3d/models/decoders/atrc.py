"""ATRC: every task attends to the context of the others that suits it best."""

from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor, nn

from mtl3d.models.decoders.base import DecoderOutput
from mtl3d.models.decoders.genotype import read_genotype, tasks_with_regions
from mtl3d.models.decoders.single_heads import concatenate
from mtl3d.models.heads import ConvHead, build_heads
from mtl3d.models.layers import ContextPooling, ConvNormAct, RelationalContext
from mtl3d.models.layers.context_attention import region_weights
from mtl3d.registry import MODELS


class RelationalDecoder(nn.Module):
    """What ATRC and its relation search share: everything but the contexts themselves.

    All scales are resized to the finest and concatenated. A 3 x 3 convolution per task gives its
    feature, the contexts refine it, and the head reads it out. Besides, tasks whose label regions
    are needed predict classes from the concatenated features (auxiliary output ``regions``); the
    losses of these predictions do not reach the backbone.

    Args:
        in_channels: Channels of the backbone's features, high resolution first.
        out_channels: Task -> channels of its raw prediction.
        auxiliary_channels: Task -> channels of its class prediction; None for ``out_channels``.
        contexts: Target -> source -> context module, see :class:`RelationalContext`.
        region_tasks: The tasks that predict regions.
        channels: Width of every task's feature.
        dropout: Probability with which a channel of a refined feature is dropped.
        head: Config of every task's head.
        heads: Task -> config of its head, in place of ``head``.
    """

    def __init__(
        self,
        *,
        in_channels: Sequence[int],
        out_channels: Mapping[str, int],
        auxiliary_channels: Mapping[str, int] | None,
        contexts: Mapping[str, Mapping[str, nn.Module]],
        region_tasks: Sequence[str],
        channels: int,
        dropout: float,
        head: Mapping[str, Any] | None,
        heads: Mapping[str, Mapping[str, Any]] | None,
    ) -> None:
        super().__init__()
        total = sum(in_channels)
        region_channels = auxiliary_channels or out_channels
        self.features = nn.ModuleDict({task: ConvNormAct(total, channels) for task in out_channels})
        self.regions = nn.ModuleDict(
            {
                task: nn.Sequential(
                    ConvNormAct(total, total, 1), nn.Conv2d(total, region_channels[task], 1)
                )
                for task in region_tasks
            }
        )
        self.context = RelationalContext(
            contexts, channels=channels, attention_channels=channels // 2, dropout=dropout
        )
        self.heads = build_heads(
            head or dict(type='ConvHead'), heads, in_channels=channels, out_channels=out_channels
        )
        for task_regions in self.regions.values():
            _start_near_zero(task_regions[-1])  # type: ignore[index]
        for task_head in self.heads.values():
            if isinstance(task_head, ConvHead):
                _start_near_zero(task_head.conv)

    def forward(self, features: Sequence[Tensor]) -> DecoderOutput:
        """Predict every task, and the classes of the tasks whose regions are used.

        Args:
            features: Maps ``(N, C_i, h_i, w_i)``, high resolution first.
        """
        joined = concatenate(features)
        own = {task: layer(joined) for task, layer in self.features.items()}
        logits = {task: layers(joined.detach()) for task, layers in self.regions.items()}
        regions = {task: region_weights(value) for task, value in logits.items()}
        refined = self.context(own, regions)
        return DecoderOutput(
            {task: head(refined[task]) for task, head in self.heads.items()},
            auxiliary=dict(regions=logits) if logits else {},
        )


@MODELS.register_module()
class ATRCDecoder(RelationalDecoder):
    """Adaptive task-relational context, with a given genotype.

    Source: Bruggemann et al., "Exploring Relational Context for Multi-Task Dense Prediction", ICCV
    2021. For every ordered pair of tasks the genotype tells whether the target attends to the
    source globally, locally, over the label regions of the target, of the source, or not at all.
    The auxiliary predictions ``regions`` exist only for tasks whose regions a context uses; give
    the model ``auxiliary_tasks`` for those whose regions are not classes of their own prediction.

    Args:
        in_channels: Channels of the backbone's features, high resolution first.
        out_channels: Task -> channels of its raw prediction.
        genotype: A dict, the name of a context, of a shipped genotype, or a JSON file; see
            :func:`mtl3d.models.decoders.genotype.read_genotype`.
        auxiliary_channels: Task -> channels of its auxiliary prediction; None for
            ``out_channels``. ``MultiTaskModel`` fills it in.
        channels: Width of every task's feature; None takes a quarter of the features' channels, as
            published. Attention has half of it.
        dropout: Probability with which a channel of a refined feature is dropped in training.
        head: Config of every task's head; a ``ConvHead`` if None.
        heads: Task -> config of its head, in place of ``head``.

    Shape:
        Features ``(N, in_channels[i], h_i, w_i)`` of any grids; predictions ``(N,
        out_channels[task], h_0, w_0)``, auxiliary ones ``(N, auxiliary_channels[task], h_0, w_0)``.

    Raises:
        FileNotFoundError: The genotype's file does not exist.
        ValueError: The genotype has an unknown task or context.
    """

    def __init__(
        self,
        *,
        in_channels: Sequence[int],
        out_channels: Mapping[str, int],
        genotype: Mapping[str, Mapping[str, Any]] | str,
        auxiliary_channels: Mapping[str, int] | None = None,
        channels: int | None = None,
        dropout: float = 0.05,
        head: Mapping[str, Any] | None = None,
        heads: Mapping[str, Mapping[str, Any]] | None = None,
    ) -> None:
        width = channels or sum(in_channels) // 4
        table = read_genotype(genotype, list(out_channels))
        contexts = {
            target: {
                source: ContextPooling(
                    channels=width, attention_channels=width // 2, context=context
                )
                for source, context in sources.items()
            }
            for target, sources in table.items()
        }
        super().__init__(
            in_channels=in_channels,
            out_channels=out_channels,
            auxiliary_channels=auxiliary_channels,
            contexts=contexts,
            region_tasks=tasks_with_regions(table),
            channels=width,
            dropout=dropout,
            head=head,
            heads=heads,
        )


def _start_near_zero(conv: nn.Conv2d) -> None:
    """Initialise a read-out as published: weights of deviation 0.01, no bias."""
    nn.init.normal_(conv.weight, std=0.01)
    if conv.bias is not None:
        nn.init.zeros_(conv.bias)
