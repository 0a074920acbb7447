"""What every decoder returns, and what one may have besides."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

from torch import Tensor


@dataclass
class DecoderOutput:
    """The raw outputs of a decoder.

    Attributes:
        predictions: Task -> logits ``(N, out_channels[task], h, w)`` at the decoder's resolution.
        auxiliary: Name of a deep supervision -> task -> logits of the same kind, at any
            resolution. Used by the loss only.
    """

    predictions: dict[str, Tensor]
    auxiliary: dict[str, dict[str, Tensor]] = field(default_factory=dict)


@runtime_checkable
class HasExtraLosses(Protocol):
    """A decoder with losses that compare no prediction with a label."""

    def extra_losses(
        self, output: DecoderOutput, task_losses: Mapping[str, Tensor]
    ) -> dict[str, Tensor]:
        """Compute them; ``MultiTaskModel`` adds them in training as ``decoder.loss_<name>``.

        Args:
            output: What the decoder has returned.
            task_losses: Task -> weighted loss of its prediction, with its graph.

        Returns:
            Name -> scalar, added to the loss as it is.
        """
        ...
