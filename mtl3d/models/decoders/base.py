"""What every decoder returns."""

from dataclasses import dataclass, field

from torch import Tensor


@dataclass
class DecoderOutput:
    """The raw outputs of a decoder.

    Attributes:
        predictions: Task -> logits ``(N, out_channels[task], h, w)`` at the decoder's resolution.
        auxiliary: Name of a deep supervision -> task -> logits of the same kind, at any
            resolution. Used by the loss only.
        penalties: Name -> scalar that is added to the loss as it is; in training only.
    """

    predictions: dict[str, Tensor]
    auxiliary: dict[str, dict[str, Tensor]] = field(default_factory=dict)
    penalties: dict[str, Tensor] = field(default_factory=dict)
