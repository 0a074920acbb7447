"""Human part segmentation."""

from mtl3d.models.tasks.semseg import SemSegTask
from mtl3d.registry import TASKS


@TASKS.register_module()
class HumanPartsTask(SemSegTask):
    """Human part segmentation: a segmentation with classes of its own.

    Args:
        num_classes: Number of parts with background; PASCAL-Context has 7.
        loss_weight: See :class:`Task`; 2 in all published recipes.
    """

    def __init__(self, *, num_classes: int = 7, loss_weight: float = 1.0) -> None:
        super().__init__(num_classes=num_classes, loss_weight=loss_weight)
