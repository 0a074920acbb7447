"""Metric depth."""

from torch import Tensor

from mtl3d.models.losses import l1
from mtl3d.models.tasks.base import Task
from mtl3d.registry import TASKS
from mtl3d.structures import LABEL_SPECS


@TASKS.register_module()
class DepthTask(Task):
    """Depth along the viewing axis in metres, predicted as it is and trained by L1.

    Args:
        loss_weight: See :class:`Task`; 1 in all published recipes.
    """

    out_channels = 1

    def pixel_loss(self, logits: Tensor, label: Tensor) -> Tensor:
        """Compute the mean absolute error in metres over measured pixels; see :meth:`Task.loss`."""
        return l1(logits, label, LABEL_SPECS['depth'].valid_mask(label))

    def activate(self, logits: Tensor) -> Tensor:
        """Return metres ``(N, 1, H, W)``: the raw prediction."""
        return logits.float()

    def decode(self, activated: Tensor) -> Tensor:
        """Clamp to non-negative metres ``(N, 1, H, W)``."""
        return activated.clamp(min=0)
