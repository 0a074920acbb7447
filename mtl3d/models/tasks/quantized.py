"""Depth and normals as classes: ATRC's auxiliary predictions, whose maps select regions."""

import torch
from torch import Tensor

from mtl3d.models.losses import cross_entropy, normal_centroids, quantize_depth, quantize_normals
from mtl3d.models.tasks.base import Task
from mtl3d.registry import TASKS


@TASKS.register_module()
class QuantizedDepthTask(Task):
    """Depth as bins of equal width in log depth, trained by cross-entropy.

    Source: Bruggemann et al., ATRC, ICCV 2021.

    Args:
        num_bins: Number of bins.
        near: Lower end of the first bin in metres; nearer pixels count as that bin.
        far: Upper end of the last bin in metres; farther pixels count as that bin.
        loss_weight: See :class:`Task`; that of the depth itself in ATRC, 1.
    """

    def __init__(
        self,
        *,
        num_bins: int = 40,
        near: float = 0.7,
        far: float = 10.0,
        loss_weight: float = 1.0,
    ) -> None:
        super().__init__(loss_weight=loss_weight)
        if num_bins < 1:
            raise ValueError(f'num_bins={num_bins}: must be at least 1')
        if not 0 < near < far:
            raise ValueError(f'near={near}, far={far}: needs 0 < near < far, in metres')
        self.out_channels = num_bins
        self.near = near
        self.far = far

    def pixel_loss(self, logits: Tensor, label: Tensor) -> Tensor:
        """Compute :func:`cross_entropy` to the label's bin; see :meth:`Task.loss`."""
        bins = quantize_depth(label, num_bins=self.out_channels, near=self.near, far=self.far)
        return cross_entropy(logits, bins)

    def activate(self, logits: Tensor) -> Tensor:
        """Compute the bins' probabilities ``(N, num_bins, H, W)``."""
        return logits.float().softmax(dim=1)

    def decode(self, activated: Tensor) -> Tensor:
        """Take the most probable bin's middle in log depth: metres ``(N, 1, H, W)``."""
        middle = (activated.argmax(dim=1, keepdim=True) + 0.5) / self.out_channels
        return self.near * (self.far / self.near) ** middle


@TASKS.register_module()
class QuantizedNormalsTask(Task):
    """Normals as the nearest of 40 fixed directions, trained by cross-entropy.

    Source: Bruggemann et al., ATRC, ICCV 2021.

    Args:
        dataset: ``nyud`` or ``pascal``: whose centroids, see :func:`normal_centroids`.
        loss_weight: See :class:`Task`; that of the normals themselves in ATRC, 10.
    """

    centroids: Tensor

    def __init__(self, *, dataset: str = 'nyud', loss_weight: float = 1.0) -> None:
        super().__init__(loss_weight=loss_weight)
        # On the CPU whatever the default device is: the table is known, not a parameter to shape.
        with torch.device('cpu'):
            self.register_buffer('centroids', normal_centroids(dataset), persistent=False)
        self.out_channels = len(self.centroids)

    def pixel_loss(self, logits: Tensor, label: Tensor) -> Tensor:
        """Compute :func:`cross_entropy` to the nearest centroid; see :meth:`Task.loss`."""
        return cross_entropy(logits, quantize_normals(label, self.centroids))

    def activate(self, logits: Tensor) -> Tensor:
        """Compute the centroids' probabilities ``(N, 40, H, W)``."""
        return logits.float().softmax(dim=1)

    def decode(self, activated: Tensor) -> Tensor:
        """Take the most probable centroid: unit vectors ``(N, 3, H, W)``."""
        return self.centroids[activated.argmax(dim=1)].movedim(-1, 1)
