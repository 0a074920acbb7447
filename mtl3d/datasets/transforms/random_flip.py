"""Random mirroring."""

import random

import numpy as np
from mmcv.transforms import BaseTransform

from mtl3d.datasets.transforms.fields import Results, map_labels, set_image
from mtl3d.datasets.transforms.functional import flip_intrinsics, flip_label
from mtl3d.registry import TRANSFORMS


@TRANSFORMS.register_module()
class RandomFlip(BaseTransform):
    """Mirror image and labels left to right; normals change the sign of their x component.

    Intrinsics follow: they become those of a camera that looks at the mirrored scene.

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
        map_labels(results, flip_label)
        set_image(results, np.ascontiguousarray(results['img'][:, ::-1]))
        if 'intrinsics' in results:
            width = results['img'].shape[1]
            results['intrinsics'] = flip_intrinsics(results['intrinsics'], width)
        results['flip'] = not results.get('flip', False)
        return results
