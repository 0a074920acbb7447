"""Random brightness, contrast, saturation and hue."""

import random
from collections.abc import Sequence

import numpy as np
from mmcv.transforms import BaseTransform
from numpy.typing import NDArray

from mtl3d.datasets.transforms.fields import Results, views
from mtl3d.datasets.transforms.functional import adjust_linear, adjust_saturation, shift_hue
from mtl3d.registry import TRANSFORMS


def _coin() -> bool:
    return random.random() < 0.5


@TRANSFORMS.register_module()
class PhotoMetricDistortion(BaseTransform):
    """Change the image's colours at random; the image becomes uint8 (by truncation).

    Brightness, contrast, saturation and hue change with probability 1/2 each; contrast comes before
    saturation or after hue, with probability 1/2.

    Args:
        brightness_delta: The offset is uniform in +-delta.
        contrast_range: Range of the gain.
        saturation_range: Range of the gain.
        hue_delta: The shift is a random integer in -delta .. delta - 1, in steps of 2 degrees.

    Source: the recipe of SSD (Liu et al., ECCV 2016) as MMSegmentation and ATRC use it.
    """

    def __init__(
        self,
        *,
        brightness_delta: float = 32,
        contrast_range: Sequence[float] = (0.5, 1.5),
        saturation_range: Sequence[float] = (0.5, 1.5),
        hue_delta: int = 18,
    ) -> None:
        self.brightness_delta = brightness_delta
        self.contrast_range = tuple(contrast_range)
        self.saturation_range = tuple(saturation_range)
        self.hue_delta = hue_delta

    def transform(self, results: Results) -> Results:
        for view in views(results):
            view['img'] = self._distort(view['img'].astype(np.uint8))
        return results

    def _distort(self, image: NDArray[np.uint8]) -> NDArray[np.uint8]:
        if _coin():
            offset = random.uniform(-self.brightness_delta, self.brightness_delta)
            image = adjust_linear(image, offset=offset)
        contrast_first = _coin()
        if contrast_first:
            image = self._contrast(image)
        if _coin():
            image = adjust_saturation(image, random.uniform(*self.saturation_range))
        if _coin():
            image = shift_hue(image, random.randint(-self.hue_delta, self.hue_delta - 1))
        return image if contrast_first else self._contrast(image)

    def _contrast(self, image: NDArray[np.uint8]) -> NDArray[np.uint8]:
        return adjust_linear(image, gain=random.uniform(*self.contrast_range)) if _coin() else image
