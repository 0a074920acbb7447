"""The dictionary that travels through a pipeline.

``img`` is ``(H, W, 3)`` RGB in 0..255, uint8 or float32; ``gt_<task>`` is ``(H, W)`` or
``(H, W, C)`` with the values of :data:`mtl3d.structures.LABEL_SPECS` (class ids as uint8, all else
float32); ``task_fields`` lists the tasks that have a label. ``img_shape`` and ``ori_shape`` are
(H, W); ``scale_factor`` is (x, y) and multiplies up; ``flip`` tells whether the image is mirrored;
``intrinsics``, where present, is the ``(3, 3)`` camera matrix of ``img``, and ``pose`` its
``(4, 4)`` camera-to-world motion in metres. ``second``, where present, is such a dictionary of
another view of the same scene.
"""

from collections.abc import Callable
from typing import Any

from numpy.typing import NDArray

from mtl3d.structures import LABEL_SPECS, LabelSpec

Results = dict[str, Any]


def views(results: Results) -> list[Results]:
    """List the views of an item: itself, and the second view if there is one."""
    return [results, results['second']] if 'second' in results else [results]


def map_labels(results: Results, change: Callable[[NDArray, LabelSpec], NDArray]) -> None:
    """Replace each label by ``change(label, spec)``."""
    for task in results['task_fields']:
        results[f'gt_{task}'] = change(results[f'gt_{task}'], LABEL_SPECS[task])


def set_image(results: Results, image: NDArray) -> None:
    """Replace the image, note its shape, and check that image and labels still agree."""
    results['img'] = image
    results['img_shape'] = image.shape[:2]
    for task in results['task_fields']:
        shape = results[f'gt_{task}'].shape[:2]
        assert shape == image.shape[:2], f'gt_{task} is {shape}, img is {image.shape[:2]}'


def multiply_scale(results: Results, scale: tuple[float, float]) -> None:
    """Note a resize by (x, y) factors."""
    x, y = results.get('scale_factor', (1.0, 1.0))
    results['scale_factor'] = (x * scale[0], y * scale[1])
