"""Resize to a given size."""

from collections.abc import Sequence

from mmcv.transforms import BaseTransform
from numpy.typing import NDArray

from mtl3d.datasets.transforms.fields import Results, map_labels, multiply_scale, set_image, views
from mtl3d.datasets.transforms.functional import (
    resize_directions,
    resize_image,
    resize_intrinsics,
    resize_label,
)
from mtl3d.registry import TRANSFORMS
from mtl3d.structures import LabelSpec


@TRANSFORMS.register_module()
class Resize(BaseTransform):
    """Resize the image, and in training the labels, to fit a size.

    Distances stay as they are: this changes the sampling, not the scene. Intrinsics follow.

    Args:
        size: (H, W).
        keep_ratio: Fit into ``size`` instead of filling it; the data preprocessor pads the rest.
        only_shrink: Leave an image alone that fits already.
        labels: Resize the labels as well: directions bicubically, all else by the nearest pixel.
            For evaluation set this to False: predictions are compared with the labels at the
            image's original size. Such a resize must be the last geometric transform.
        cubic: Resize the image bicubically (clipped to 0..255) instead of bilinearly.
    """

    def __init__(
        self,
        *,
        size: Sequence[int],
        keep_ratio: bool = False,
        only_shrink: bool = False,
        labels: bool = True,
        cubic: bool = False,
    ) -> None:
        self.size = (int(size[0]), int(size[1]))
        self.keep_ratio = keep_ratio
        self.only_shrink = only_shrink
        self.labels = labels
        self.cubic = cubic

    def transform(self, results: Results) -> Results:
        for view in views(results):
            self._resize_view(view)
        return results

    def _resize_view(self, results: Results) -> None:
        height, width = results['img'].shape[:2]
        size = self._target(height, width)
        if size == (height, width):
            return
        image = resize_image(results['img'], size, self.cubic)
        if self.labels:
            map_labels(results, lambda label, spec: _resize(label, spec, size))
            set_image(results, image)
        else:
            results['img'], results['img_shape'] = image, size
        scale = (size[1] / width, size[0] / height)
        if 'intrinsics' in results:
            results['intrinsics'] = resize_intrinsics(results['intrinsics'], scale)
        multiply_scale(results, scale)

    def _target(self, height: int, width: int) -> tuple[int, int]:
        if self.only_shrink and height <= self.size[0] and width <= self.size[1]:
            return height, width
        if not self.keep_ratio:
            return self.size
        factor = min(self.size[0] / height, self.size[1] / width)
        return round(height * factor), round(width * factor)


def _resize(label: NDArray, spec: LabelSpec, size: tuple[int, int]) -> NDArray:
    return resize_directions(label, size) if spec.is_direction else resize_label(label, size)
