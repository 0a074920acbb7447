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

    The arguments are those of :class:`SemSegMetric`, with 7 classes by default: six parts and the
    background.
    """

    default_prefix = 'human_parts'
    num_classes = 7

    def image_statistics(self, pred: np.ndarray, gt: np.ndarray) -> np.ndarray:
        """Count pixels per part: ``(3, num_classes)``; see :class:`PerImageMetric`."""
        if self.protocol != 'clean' and np.isin(gt, (0, 255)).all():
            return np.zeros((3, self.num_classes), np.int64)
        return super().image_statistics(pred, gt)
