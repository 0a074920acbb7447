"""Boundary detection."""

from torch import Tensor

from mtl3d.models.losses import balanced_bce
from mtl3d.models.tasks.base import Task
from mtl3d.registry import TASKS


@TASKS.register_module()
class EdgeTask(Task):
    """Boundary detection: one probability per pixel, trained by balanced cross-entropy.

    Args:
        positive_weight: Weight of boundary pixels in the loss, against ``1 - positive_weight`` of
            the others; 0.95 in InvPT, MTI-Net and on PASCAL-Context in ATRC, 0.8 on NYUDv2 in ATRC.
        loss_weight: See :class:`Task`; 50 in all published recipes.
    """

    out_channels = 1

    def __init__(self, *, positive_weight: float = 0.95, loss_weight: float = 1.0) -> None:
        super().__init__(loss_weight=loss_weight)
        if not 0 <= positive_weight <= 1:
            raise ValueError(f'positive_weight={positive_weight}: must lie in [0, 1]')
        self.positive_weight = positive_weight

    def pixel_loss(self, logits: Tensor, label: Tensor) -> Tensor:
        """Compute :func:`balanced_bce` with the fixed weight; see :meth:`Task.loss`."""
        return balanced_bce(logits, label, positive_weight=self.positive_weight)

    def activate(self, logits: Tensor) -> Tensor:
        """Compute the probability of a boundary: ``(N, 1, H, W)`` in [0, 1]."""
        return logits.float().sigmoid()
