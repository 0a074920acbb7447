"""What the two-class tasks share."""

from torch import Tensor

from mtl3d.models.losses import balanced_bce, two_class_logit
from mtl3d.models.tasks.base import Task


class BinaryTask(Task):
    """One probability per pixel, trained by class-balanced cross-entropy.

    Args:
        num_channels: 1 predicts the positive class's log-odds, 2 a logit of both classes.
        positive_weight: Weight of positive pixels in the loss, against ``1 - positive_weight`` of
            the others; None takes the share of negative pixels in the batch.
        loss_weight: See :class:`Task`.
    """

    def __init__(
        self, *, num_channels: int, positive_weight: float | None, loss_weight: float
    ) -> None:
        super().__init__(loss_weight=loss_weight)
        if num_channels not in (1, 2):
            raise ValueError(f'num_channels={num_channels}: must be 1 or 2')
        if positive_weight is not None and not 0 <= positive_weight <= 1:
            raise ValueError(f'positive_weight={positive_weight}: must lie in [0, 1]')
        self.out_channels = num_channels
        self.positive_weight = positive_weight

    def _log_odds(self, logits: Tensor) -> Tensor:
        return two_class_logit(logits) if self.out_channels == 2 else logits.float()

    def pixel_loss(self, logits: Tensor, label: Tensor) -> Tensor:
        """Compute :func:`balanced_bce`; see :meth:`Task.loss`."""
        return balanced_bce(self._log_odds(logits), label, positive_weight=self.positive_weight)

    def activate(self, logits: Tensor) -> Tensor:
        """Compute the probability of the positive class: ``(N, 1, H, W)`` in [0, 1]."""
        return self._log_odds(logits).sigmoid()
