"""Boundary detection."""

from mtl3d.models.tasks.binary import BinaryTask
from mtl3d.registry import TASKS


@TASKS.register_module()
class EdgeTask(BinaryTask):
    """Boundary detection: one probability per pixel, trained by balanced cross-entropy.

    Args:
        num_channels: 1 predicts the boundary's log-odds; 2 both classes (ATRC's auxiliary
            prediction).
        positive_weight: Weight of boundary pixels in the loss, against ``1 - positive_weight`` of
            the others; 0.95 in InvPT, MTI-Net and on PASCAL-Context in ATRC, 0.8 on NYUDv2 in ATRC.
        loss_weight: See :class:`Task`; 50 in all published recipes.
    """

    def __init__(
        self, *, num_channels: int = 1, positive_weight: float = 0.95, loss_weight: float = 1.0
    ) -> None:
        super().__init__(
            num_channels=num_channels, positive_weight=positive_weight, loss_weight=loss_weight
        )
