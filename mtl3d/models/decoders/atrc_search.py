"""ATRC's relation search: all contexts at once, and parameters that learn which to keep."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from mtl3d.models.decoders.atrc import RelationalDecoder
from mtl3d.models.decoders.base import DecoderOutput
from mtl3d.models.layers import CONTEXTS, MixedContext
from mtl3d.models.tasks.base import Task
from mtl3d.registry import MODELS
from mtl3d.structures import MultiTaskDataSample


@MODELS.register_module()
class ATRCSearchDecoder(RelationalDecoder):
    """The network in which ATRC's genotype is searched.

    Source: Bruggemann et al., ICCV 2021, section 3.3. Every ordered pair of tasks holds all
    contexts (a task and itself all but ``s_label``, which equals ``t_label`` there), mixed by
    architecture parameters; see :class:`~mtl3d.models.layers.MixedContext`. Every task predicts
    regions. The mean entropy of the pairs' choices, times ``entropy_weight``, is a loss of its own.
    The search needs three more parts: ``ArchitectureOptimWrapper``, ``RelationSearchHook`` for the
    schedules, and ``GenotypeHook``, which writes the result.

    Args:
        in_channels: Channels of the backbone's features, high resolution first.
        out_channels: Task -> channels of its raw prediction.
        auxiliary_channels: Task -> channels of its auxiliary prediction; None for
            ``out_channels``. ``MultiTaskModel`` fills it in.
        channels: As in :class:`ATRCDecoder`.
        freeze_gap: Difference of the two largest probabilities at which a pair is decided for good.
        head: As in :class:`ATRCDecoder`.
        heads: As in :class:`ATRCDecoder`.

    Shape:
        As :class:`ATRCDecoder`.

    Attributes:
        entropy_weight: Factor of the mean entropy; negative rewards indecision.
    """

    def __init__(
        self,
        *,
        in_channels: Sequence[int],
        out_channels: Mapping[str, int],
        auxiliary_channels: Mapping[str, int] | None = None,
        channels: int | None = None,
        freeze_gap: float = 0.3,
        head: Mapping[str, Any] | None = None,
        heads: Mapping[str, Mapping[str, Any]] | None = None,
    ) -> None:
        width = channels or sum(in_channels) // 4
        contexts = {
            target: {
                source: MixedContext(
                    channels=width,
                    attention_channels=width // 2,
                    contexts=tuple(c for c in CONTEXTS if c != 's_label' or source != target),
                    freeze_gap=freeze_gap,
                )
                for source in out_channels
            }
            for target in out_channels
        }
        super().__init__(
            in_channels=in_channels,
            out_channels=out_channels,
            auxiliary_channels=auxiliary_channels,
            contexts=contexts,
            region_tasks=list(out_channels),
            channels=width,
            dropout=0.0,
            head=head,
            heads=heads,
        )
        self.entropy_weight = 0.0

    def pairs(self) -> dict[str, dict[str, MixedContext]]:
        """Get target -> source -> the pair's candidates."""
        return {t: dict(sources.items()) for t, sources in self.context.contexts.items()}  # type: ignore[operator]

    def genotype(self) -> dict[str, dict[str, str]]:
        """Decide: target -> source -> name of the most probable context, ``none`` included."""
        return {
            target: {source: pair.best for source, pair in sources.items()}
            for target, sources in self.pairs().items()
        }

    def set_temperature(self, temperature: float) -> None:
        """Set the temperature of all pairs' Gumbel-softmax."""
        for sources in self.pairs().values():
            for pair in sources.values():
                pair.temperature = temperature

    def mean_entropy(self) -> Tensor:
        """Compute the mean over all pairs of the entropy of their choice, a scalar in nats."""
        pairs = [pair for sources in self.pairs().values() for pair in sources.values()]
        return torch.stack([pair.entropy() for pair in pairs]).mean()

    def extra_losses(
        self,
        output: DecoderOutput,
        *,
        task_losses: Mapping[str, Tensor],
        tasks: Mapping[str, Task],
        samples: Sequence[MultiTaskDataSample],
    ) -> dict[str, Tensor]:
        """Weigh the indecision: ``entropy``, see :class:`~mtl3d.models.decoders.HasExtraLosses`."""
        return {'entropy': self.entropy_weight * self.mean_entropy()}
