"""What every decoder returns, and what one may have besides."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

from torch import Tensor

from mtl3d.models.tasks.base import Task
from mtl3d.structures import MultiTaskDataSample


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
    """A decoder with losses besides those of the tasks."""

    def extra_losses(
        self,
        output: DecoderOutput,
        *,
        task_losses: Mapping[str, Tensor],
        tasks: Mapping[str, Task],
        samples: Sequence[MultiTaskDataSample],
    ) -> dict[str, Tensor]:
        """Compute them; ``MultiTaskModel`` adds them in training as ``decoder.loss_<name>``.

        Args:
            output: What the decoder has returned.
            task_losses: Task -> weighted loss of its prediction, with its graph.
            tasks: Task -> the task, which knows its weight and its activation.
            samples: One sample per image, with labels.

        Returns:
            Name -> scalar, added to the loss as it is.
        """
        ...
