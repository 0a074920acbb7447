"""Mean intersection over union of semantic segmentation."""

import numpy as np

from mtl3d.evaluation.functional import segmentation
from mtl3d.evaluation.metrics.base import PerImageMetric
from mtl3d.registry import METRICS


@METRICS.register_module()
class SemSegMetric(PerImageMetric):
    """Semantic segmentation: ``semseg/mIoU``, ``pixel_accuracy`` and ``mean_accuracy``, percent.

    Counts are pooled over the data set, pixels labelled 255 excepted. See
    :mod:`mtl3d.evaluation.functional.segmentation` for the definitions and the protocols
    (``published`` counts absent classes as 0, ``clean`` leaves them out).

    Args:
        num_classes: Number of classes; those of NYUDv2 by default.
        field: See :class:`PerImageMetric`.
        protocol: ``published``, ``survey`` (the same) or ``clean``.
        bootstrap: See :class:`PerImageMetric`.
        collect_device: See :class:`PerImageMetric`.
        prefix: See :class:`PerImageMetric`.
    """

    default_prefix = 'semseg'
    units = dict.fromkeys(('mIoU', 'pixel_accuracy', 'mean_accuracy'), '%')
    num_classes = 40

    def __init__(
        self,
        *,
        num_classes: int | None = None,
        field: str = 'pred',
        protocol: str = 'published',
        bootstrap: int = 0,
        collect_device: str = 'cpu',
        prefix: str | None = None,
    ) -> None:
        super().__init__(
            field=field,
            protocol=protocol,
            bootstrap=bootstrap,
            collect_device=collect_device,
            prefix=prefix,
        )
        if num_classes is not None:
            self.num_classes = num_classes

    def image_statistics(self, pred: np.ndarray, gt: np.ndarray) -> np.ndarray:
        """Count pixels per class: ``(3, num_classes)``; see :class:`PerImageMetric`."""
        return segmentation.image_statistics(pred, gt, num_classes=self.num_classes)

    def summarize(self, stats: np.ndarray) -> dict[str, float]:
        """Pool the counts; see :func:`mtl3d.evaluation.functional.segmentation.summarize`."""
        return segmentation.summarize(stats, protocol=self.protocol)
