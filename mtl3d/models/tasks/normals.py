"""Surface normals."""

import torch.nn.functional as F
from torch import Tensor

from mtl3d.models.losses import normals_l1
from mtl3d.models.losses.l1 import Reduction
from mtl3d.models.tasks.base import Task
from mtl3d.registry import TASKS
from mtl3d.structures import LABEL_SPECS


@TASKS.register_module()
class NormalsTask(Task):
    """Surface normals: unit vectors in the camera frame, trained by L1.

    Args:
        reduction: ``pixel`` sums the loss over the three channels (InvPT, ATRC), ``element``
            averages over them (the survey, MTI-Net, PAD-Net).
        loss_weight: See :class:`Task`; 10 in all published recipes.
    """

    out_channels = 3

    def __init__(self, *, reduction: Reduction = 'pixel', loss_weight: float = 1.0) -> None:
        super().__init__(loss_weight=loss_weight)
        if reduction not in ('pixel', 'element'):
            raise ValueError(f"reduction='{reduction}': valid are 'pixel' and 'element'")
        self.reduction = reduction

    def pixel_loss(self, logits: Tensor, label: Tensor) -> Tensor:
        """Compute :func:`normals_l1` over labelled pixels; see :meth:`Task.loss`."""
        valid = LABEL_SPECS['normals'].valid_mask(label)
        return normals_l1(logits, label, valid, reduction=self.reduction)

    def activate(self, logits: Tensor) -> Tensor:
        """Scale to unit length: ``(N, 3, H, W)``."""
        # The bound of normals_l1, because losses (PAP's) may differentiate this, too.
        return F.normalize(logits.float(), dim=1, eps=1e-6)

    def decode(self, activated: Tensor) -> Tensor:
        """Scale to unit length again, which a mean of unit vectors has lost: ``(N, 3, H, W)``."""
        return F.normalize(activated, dim=1)
