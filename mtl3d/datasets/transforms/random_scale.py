"""Random zoom."""

import random
from collections.abc import Sequence

from mmcv.transforms import BaseTransform

from mtl3d.datasets.transforms.fields import Results, map_labels, multiply_scale, set_image, views
from mtl3d.datasets.transforms.functional import (
    resize_image,
    resize_intrinsics,
    resize_label,
    zoom_distances,
    zoom_pose,
)
from mtl3d.registry import TRANSFORMS


@TRANSFORMS.register_module()
class RandomScale(BaseTransform):
    """Resize image and labels by one random factor f; metric distances are divided by f.

    The image is resized bilinearly and becomes float32, labels take the nearest pixel. Intrinsics
    follow. With depth divided and intrinsics scaled the result is a valid view of the same scene
    made 1 / f as large, so normals stay, the pose's translation is divided by f too, and two views
    share one factor.

    Args:
        ratio_range: f is uniform in this range (one draw of Python's ``random``).

    Raises:
        ValueError: The range is empty or not positive.

    Source: the recipe of ATRC (Bruggemann et al., ICCV 2021) and InvPT (Ye and Xu, ECCV 2022).
    """

    def __init__(self, *, ratio_range: Sequence[float] = (0.5, 2.0)) -> None:
        low, high = ratio_range
        if not 0 < low <= high:
            raise ValueError(f'ratio_range={tuple(ratio_range)} is not 0 < low <= high')
        self.ratio_range = (low, high)

    def transform(self, results: Results) -> Results:
        return self.scale(results, random.uniform(*self.ratio_range))

    @staticmethod
    def scale(results: Results, factor: float) -> Results:
        """Resize by a given factor."""
        if factor == 1:
            return results
        for view in views(results):
            _scale_view(view, factor)
        return results


def _scale_view(view: Results, factor: float) -> None:
    height, width = view['img'].shape[:2]
    size = (int(height * factor), int(width * factor))
    map_labels(view, lambda label, spec: zoom_distances(resize_label(label, size), spec, factor))
    set_image(view, resize_image(view['img'], size))
    if 'intrinsics' in view:
        scale = (size[1] / width, size[0] / height)
        view['intrinsics'] = resize_intrinsics(view['intrinsics'], scale)
    if 'pose' in view:
        view['pose'] = zoom_pose(view['pose'], factor)
    multiply_scale(view, (factor, factor))
