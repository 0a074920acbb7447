"""Random zoom and rotation about the image centre."""

import random
from collections.abc import Sequence
from typing import Literal

import cv2
from mmcv.transforms import BaseTransform
from numpy.typing import NDArray

from mtl3d.datasets.transforms.fields import Results, map_labels, multiply_scale, set_image, views
from mtl3d.datasets.transforms.functional import (
    rotate_directions,
    turn_pose,
    warp_image,
    warp_intrinsics,
    warp_label,
    zoom_distances,
    zoom_pose,
)
from mtl3d.registry import TRANSFORMS
from mtl3d.structures import LabelSpec


@TRANSFORMS.register_module()
class RandomScaleRotate(BaseTransform):
    """Zoom and rotate image and labels about the centre, keeping their size.

    The image is warped bicubically (clipped to 0..255, black outside), directions bicubically after
    being rotated themselves, all else by the nearest pixel; distances are divided by the zoom.
    Intrinsics and pose follow. Two views are treated alike.

    Args:
        degrees: Rotation, uniform in +-degrees, counter-clockwise.
        scale_range: The zoom is uniform in this range; not used with ``scales``.
        scales: The zoom is one of these.
        normals_y: Where the normals' y axis points in the picture; ``up`` in both data sets. The
            published recipe rotates as if it pointed ``down``.
        border: What labels hold outside of the original image: ``ignore`` (no label), or ``zero``
            as in the published recipe, where this is the class 0.

    Raises:
        ValueError: Neither or both of ``scale_range`` and ``scales``, or an unknown choice.

    Source: the recipe of ASTMT and of the survey of Vandenhende et al. (TPAMI 2021): NYUv2
    ``scales=(1, 1.2, 1.5)``; PASCAL ``degrees=20, scale_range=(0.75, 1.25)``.
    """

    def __init__(
        self,
        *,
        degrees: float = 0.0,
        scale_range: Sequence[float] | None = None,
        scales: Sequence[float] | None = None,
        normals_y: Literal['up', 'down'] = 'up',
        border: Literal['ignore', 'zero'] = 'ignore',
    ) -> None:
        if (scale_range is None) == (scales is None):
            raise ValueError('give either scale_range or scales')
        if border not in ('ignore', 'zero'):
            raise ValueError(f"border='{border}': valid are 'ignore' and 'zero'")
        if normals_y not in ('up', 'down'):
            raise ValueError(f"normals_y='{normals_y}': valid are 'up' and 'down'")
        self.degrees = degrees
        self.scale_range = scale_range
        self.scales = scales
        self.normals_y = normals_y
        self.border = border

    def transform(self, results: Results) -> Results:
        degrees = random.uniform(-self.degrees, self.degrees)
        if self.scales is not None:
            scale = random.choice(list(self.scales))
        else:
            scale = random.uniform(*(self.scale_range or ()))
        return self.warp(results, degrees, scale)

    def warp(self, results: Results, degrees: float, scale: float) -> Results:
        """Rotate and zoom by given amounts."""
        for view in views(results):
            self._warp_view(view, degrees, scale)
        return results

    def _warp_view(self, results: Results, degrees: float, scale: float) -> None:
        height, width = results['img'].shape[:2]
        matrix = cv2.getRotationMatrix2D((width / 2, height / 2), degrees, scale)

        def change(label: NDArray, spec: LabelSpec) -> NDArray:
            border = spec.invalid_value if self.border == 'ignore' else 0
            if spec.is_direction:
                label = rotate_directions(label, degrees, self.normals_y == 'up')
            return zoom_distances(warp_label(label, matrix, spec, border), spec, scale)

        map_labels(results, change)
        set_image(results, warp_image(results['img'], matrix))
        if 'intrinsics' in results:
            results['intrinsics'] = warp_intrinsics(results['intrinsics'], matrix, degrees)
        if 'pose' in results:
            results['pose'] = zoom_pose(turn_pose(results['pose'], degrees), scale)
        multiply_scale(results, (scale, scale))
