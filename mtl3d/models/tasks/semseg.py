"""Semantic segmentation."""

from torch import Tensor

from mtl3d.models.losses import cross_entropy
from mtl3d.models.tasks.base import Task
from mtl3d.registry import TASKS


@TASKS.register_module()
class SemSegTask(Task):
    """Semantic segmentation: one class per pixel, trained by cross-entropy.

    Args:
        num_classes: Number of classes: 40 for NYUDv2, 21 for PASCAL-Context (with background).
        loss_weight: See :class:`Task`; 1 in all published recipes.
    """

    def __init__(self, *, num_classes: int = 40, loss_weight: float = 1.0) -> None:
        super().__init__(loss_weight=loss_weight)
        if num_classes < 1:
            raise ValueError(f'num_classes={num_classes}: must be at least 1')
        self.out_channels = num_classes

    def pixel_loss(self, logits: Tensor, label: Tensor) -> Tensor:
        """Compute :func:`cross_entropy`; see :meth:`Task.loss`."""
        return cross_entropy(logits, label)

    def activate(self, logits: Tensor) -> Tensor:
        """Compute class probabilities ``(N, num_classes, H, W)``."""
        return logits.float().softmax(dim=1)

    def decode(self, activated: Tensor) -> Tensor:
        """Choose the most probable class: ``(N, 1, H, W)`` int64."""
        return activated.argmax(dim=1, keepdim=True)
