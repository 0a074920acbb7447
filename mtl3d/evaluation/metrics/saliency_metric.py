"""F-measure and IoU of saliency maps."""

import numpy as np

from mtl3d.evaluation.functional import saliency
from mtl3d.evaluation.metrics.base import PerImageMetric
from mtl3d.registry import METRICS


@METRICS.register_module()
class SaliencyMetric(PerImageMetric):
    """Saliency: ``saliency/maxF`` and ``saliency/mIoU`` in percent, each at its best threshold.

    The tables of InvPT and ATRC hold maxF, those of the survey and ASTMT mIoU: they are not
    comparable. See :mod:`mtl3d.evaluation.functional.saliency` for the definitions and for what
    ``published`` (InvPT's double squash), ``survey`` and ``clean`` (ATRC) mean. The arguments are
    those of :class:`PerImageMetric`.
    """

    default_prefix = 'saliency'
    units = dict.fromkeys(('maxF', 'mIoU'), '%')

    def image_statistics(self, pred: np.ndarray, gt: np.ndarray) -> np.ndarray:
        """Count per threshold: ``(85,)``; see :class:`PerImageMetric`."""
        return saliency.image_statistics(pred, gt, protocol=self.protocol)

    def summarize(self, stats: np.ndarray) -> dict[str, float]:
        """Pool the counts; see :func:`mtl3d.evaluation.functional.saliency.summarize`."""
        return saliency.summarize(stats, protocol=self.protocol)
