"""Take a label without any object for "not annotated"."""

from collections.abc import Sequence

import numpy as np
from mmcv.transforms import BaseTransform

from mtl3d.datasets.transforms.fields import Results, views
from mtl3d.registry import TRANSFORMS
from mtl3d.structures.label_spec import IGNORE_INDEX


@TRANSFORMS.register_module()
class IgnoreBackgroundOnly(BaseTransform):
    """Set a class map that shows nothing but background (0) and ignore (255) to ignore everywhere.

    PASCAL-Part annotates only part of the persons, so a window without any part says nothing.

    Args:
        tasks: The class maps to look at.

    Source: the protocol of ASTMT (Maninis et al., CVPR 2019), which ATRC and InvPT follow.
    """

    def __init__(self, *, tasks: Sequence[str] = ('human_parts',)) -> None:
        self.tasks = tuple(tasks)

    def transform(self, results: Results) -> Results:
        for view in views(results):
            for task in self.tasks:
                if task not in view['task_fields']:
                    continue
                label = view[f'gt_{task}']
                if np.isin(label, (0, IGNORE_INDEX)).all():
                    view[f'gt_{task}'] = np.full_like(label, IGNORE_INDEX)
        return results
