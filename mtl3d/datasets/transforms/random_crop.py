"""Random crop that avoids a single dominating class."""

import random
from collections.abc import Sequence

import numpy as np
from mmcv.transforms import BaseTransform
from numpy.typing import NDArray

from mtl3d.datasets.transforms.fields import Results, map_labels, set_image, views
from mtl3d.datasets.transforms.functional import crop_intrinsics
from mtl3d.registry import TRANSFORMS
from mtl3d.structures.label_spec import IGNORE_INDEX


@TRANSFORMS.register_module()
class RandomCrop(BaseTransform):
    """Cut one random window out of image and labels.

    An axis that is shorter than the window is kept whole; the data preprocessor pads it. Where the
    image has a ``semseg`` label, up to ten windows are tried until one shows at least two classes
    of which none covers ``cat_max_ratio`` or more of the labelled pixels; the eleventh is taken
    unseen. Intrinsics follow. Two views get windows of their own.

    Args:
        size: (H, W) of the window.
        cat_max_ratio: See above; 1 accepts any window.

    Raises:
        ValueError: ``cat_max_ratio`` is not in (0, 1].

    Source: the recipe of ATRC (Bruggemann et al., ICCV 2021), after MMSegmentation.
    """

    TRIES = 10

    def __init__(self, *, size: Sequence[int], cat_max_ratio: float = 0.75) -> None:
        if not 0 < cat_max_ratio <= 1:
            raise ValueError(f'cat_max_ratio={cat_max_ratio} is not in (0, 1]')
        self.size = (int(size[0]), int(size[1]))
        self.cat_max_ratio = cat_max_ratio

    def transform(self, results: Results) -> Results:
        for view in views(results):
            self._crop(view)
        return results

    def _crop(self, results: Results) -> None:
        shape = results['img'].shape[:2]
        if shape == self.size:
            return
        top, left = self._draw(shape)
        if self.cat_max_ratio < 1 and 'semseg' in results['task_fields']:
            for _ in range(self.TRIES):
                if self._is_diverse(self._window(results['gt_semseg'], top, left)):
                    break
                top, left = self._draw(shape)
        map_labels(results, lambda label, spec: self._window(label, top, left))
        set_image(results, self._window(results['img'], top, left))
        if 'intrinsics' in results:
            results['intrinsics'] = crop_intrinsics(results['intrinsics'], left, top)

    def _draw(self, shape: tuple[int, int]) -> tuple[int, int]:
        """Draw the window's first row, then its first column."""
        top = random.randint(0, max(shape[0] - self.size[0], 0))
        left = random.randint(0, max(shape[1] - self.size[1], 0))
        return top, left

    def _window(self, array: NDArray, top: int, left: int) -> NDArray:
        return np.ascontiguousarray(array[top : top + self.size[0], left : left + self.size[1]])

    def _is_diverse(self, semseg: NDArray) -> bool:
        counts = np.bincount(semseg[semseg != IGNORE_INDEX])
        return bool((counts > 0).sum() > 1 and counts.max() / counts.sum() < self.cat_max_ratio)
