"""Saliency detection."""

from torch import Tensor

from mtl3d.models.losses import balanced_bce, two_class_logit
from mtl3d.models.tasks.base import Task
from mtl3d.registry import TASKS


@TASKS.register_module()
class SaliencyTask(Task):
    """Saliency: one probability per pixel, with a loss balanced by the batch.

    Args:
        num_channels: 2 predicts both classes (InvPT, ATRC); 1 the salient one (survey, MTI-Net).
        loss_weight: See :class:`Task`; 5 in all published recipes.
    """

    def __init__(self, *, num_channels: int = 2, loss_weight: float = 1.0) -> None:
        super().__init__(loss_weight=loss_weight)
        if num_channels not in (1, 2):
            raise ValueError(f'num_channels={num_channels}: must be 1 or 2')
        self.out_channels = num_channels

    def _log_odds(self, logits: Tensor) -> Tensor:
        return two_class_logit(logits) if self.out_channels == 2 else logits.float()

    def pixel_loss(self, logits: Tensor, label: Tensor) -> Tensor:
        """Compute :func:`balanced_bce` with the batch's own weight; see :meth:`Task.loss`."""
        return balanced_bce(self._log_odds(logits), label, positive_weight=None)

    def activate(self, logits: Tensor) -> Tensor:
        """Compute the probability of being salient: ``(N, 1, H, W)`` in [0, 1]."""
        return self._log_odds(logits).sigmoid()
