"""Random mirroring."""

import random

import numpy as np
from mmcv.transforms import BaseTransform

from mtl3d.datasets.transforms.fields import Results, map_labels, set_image, views
from mtl3d.datasets.transforms.functional import flip_intrinsics, flip_label, flip_pose
from mtl3d.registry import TRANSFORMS


@TRANSFORMS.register_module()
class RandomFlip(BaseTransform):
    """Mirror image and labels left to right; normals change the sign of their x component.

    Intrinsics and pose follow: they become those of a camera that looks at the mirrored scene. Two
    views are mirrored together.

    Args:
        prob: Probability (one draw of Python's ``random``).

    Raises:
        ValueError: ``prob`` is not in [0, 1].
    """

    def __init__(self, *, prob: float = 0.5) -> None:
        if not 0 <= prob <= 1:
            raise ValueError(f'prob={prob} is not in [0, 1]')
        self.prob = prob

    def transform(self, results: Results) -> Results:
        return self.flip(results) if random.random() < self.prob else results

    @staticmethod
    def flip(results: Results) -> Results:
        """Mirror without a draw."""
        for view in views(results):
            map_labels(view, flip_label)
            set_image(view, np.ascontiguousarray(view['img'][:, ::-1]))
            if 'intrinsics' in view:
                width = view['img'].shape[1]
                view['intrinsics'] = flip_intrinsics(view['intrinsics'], width)
            if 'pose' in view:
                view['pose'] = flip_pose(view['pose'])
            view['flip'] = not view.get('flip', False)
        return results
