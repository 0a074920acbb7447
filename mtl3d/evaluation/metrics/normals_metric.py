"""Angular errors of surface normals."""

import numpy as np

from mtl3d.evaluation.functional import normals
from mtl3d.evaluation.metrics.base import PerImageMetric
from mtl3d.registry import METRICS


@METRICS.register_module()
class NormalsMetric(PerImageMetric):
    """Surface normals: ``normals/mean``, ``median`` and ``rmse`` in degrees, and shares in percent.

    The shares are ``within_11.25``, ``within_22.5`` and ``within_30``. Angles are pooled over all
    labelled pixels of the data set. See :mod:`mtl3d.evaluation.functional.normals` for the
    definitions and the accuracy of the median; ``survey`` sends predictions through 8 bits, the
    other protocols do not. The arguments are those of :class:`PerImageMetric`.
    """

    default_prefix = 'normals'
    units = {
        **dict.fromkeys(('mean', 'median', 'rmse'), 'deg'),
        **dict.fromkeys(('within_11.25', 'within_22.5', 'within_30'), '%'),
    }

    def image_statistics(self, pred: np.ndarray, gt: np.ndarray) -> np.ndarray:
        """Reduce the angles; see :class:`PerImageMetric`."""
        return normals.image_statistics(pred, gt, protocol=self.protocol)

    def summarize(self, stats: np.ndarray) -> dict[str, float]:
        """Pool the angles; see :func:`mtl3d.evaluation.functional.normals.summarize`."""
        return normals.summarize(stats)
