"""Depth errors."""

import numpy as np

from mtl3d.evaluation.functional import depth
from mtl3d.evaluation.metrics.base import PerImageMetric
from mtl3d.registry import METRICS


@METRICS.register_module()
class DepthMetric(PerImageMetric):
    """Metric depth: ``depth/rmse`` in metres over all measured pixels of the data set, and more.

    Also ``rmse_image`` (mean of the images' RMSE), ``mae``, ``abs_rel``, ``sq_rel``, ``log_rmse``
    and ``delta1`` to ``delta3`` in percent. No cap, no crop, no alignment of scale. See
    :mod:`mtl3d.evaluation.functional.depth` for the definitions; the protocols differ in the
    lower bound of predictions only. The arguments are those of :class:`PerImageMetric`.
    """

    default_prefix = 'depth'
    units = {
        **dict.fromkeys(('rmse', 'rmse_image', 'mae', 'sq_rel'), 'm'),
        **dict.fromkeys(('abs_rel', 'log_rmse'), ''),
        **dict.fromkeys(('delta1', 'delta2', 'delta3'), '%'),
    }

    def image_statistics(self, pred: np.ndarray, gt: np.ndarray) -> np.ndarray:
        """Sum the errors: ``(11,)``; see :class:`PerImageMetric`."""
        return depth.image_statistics(pred, gt, protocol=self.protocol)

    def summarize(self, stats: np.ndarray) -> dict[str, float]:
        """Pool the errors; see :func:`mtl3d.evaluation.functional.depth.summarize`."""
        return depth.summarize(stats)
