"""Mean intersection over union of human parts."""

import numpy as np

from mtl3d.evaluation.metrics.semseg_metric import SemSegMetric
from mtl3d.registry import METRICS


@METRICS.register_module()
class HumanPartsMetric(SemSegMetric):
    """Human parts: ``human_parts/mIoU`` and accuracies in percent, background included.

    As :class:`SemSegMetric`, with one more rule: ``published`` and ``survey`` leave out images
    whose label shows no part at all, so that parts hallucinated on them cost nothing; ``clean``
    scores every labelled image.

    Args:
        num_classes: Number of parts with background.
        field: See :class:`PerImageMetric`.
        protocol: ``published``, ``survey`` (the same) or ``clean``.
        bootstrap: See :class:`PerImageMetric`.
        collect_device: See :class:`PerImageMetric`.
        prefix: See :class:`PerImageMetric`.
    """

    default_prefix = 'human_parts'

    def __init__(
        self,
        *,
        num_classes: int = 7,
        field: str = 'pred',
        protocol: str = 'published',
        bootstrap: int = 0,
        collect_device: str = 'cpu',
        prefix: str | None = None,
    ) -> None:
        super().__init__(
            num_classes=num_classes,
            field=field,
            protocol=protocol,
            bootstrap=bootstrap,
            collect_device=collect_device,
            prefix=prefix,
        )

    def image_statistics(self, pred: np.ndarray, gt: np.ndarray) -> np.ndarray:
        """Count pixels per part: ``(3, num_classes)``; see :class:`PerImageMetric`."""
        if self.protocol != 'clean' and np.isin(gt, (0, 255)).all():
            return np.zeros((3, self.num_classes), np.int64)
        return super().image_statistics(pred, gt)
