"""Saliency detection."""

from mtl3d.models.tasks.binary import BinaryTask
from mtl3d.registry import TASKS


@TASKS.register_module()
class SaliencyTask(BinaryTask):
    """Saliency: one probability per pixel, with a loss balanced by the batch.

    Args:
        num_channels: 2 predicts both classes (InvPT, ATRC); 1 the salient one (survey, MTI-Net).
        loss_weight: See :class:`Task`; 5 in all published recipes.
    """

    def __init__(self, *, num_channels: int = 2, loss_weight: float = 1.0) -> None:
        super().__init__(num_channels=num_channels, positive_weight=None, loss_weight=loss_weight)
