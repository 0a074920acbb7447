"""Labels that are computed from the other maps of a view: boundaries and saliency."""

import numpy as np
from numpy.typing import NDArray

from mtl3d.datasets.synthesis.classes import MOVABLE_CLASSES, SEMANTIC_CLASSES

Array = NDArray[np.float64]
Index = NDArray[np.intp]
Mask = NDArray[np.bool_]

STEP_METRES, STEP_RELATIVE = 0.03, 0.01
CREASE_COSINE = float(np.cos(np.deg2rad(45)))
SALIENT_DEPTH = 4.0  # metres
SALIENT_AREA = 0.003  # of the image


def boundaries(point: Array, normal: Array, instance: Index, semantic: Index, flat: Mask) -> Mask:
    """Mark where the image passes from one surface to another.

    Each pixel is compared with its right and its lower neighbour. The pair crosses a boundary if

    * the instances or the classes differ, or
    * there is a step in depth: one point lies further than 3 cm + 1 % of the depth from the other
      point's tangent plane, or
    * there is a crease: both lie on flat faces and the normals differ by more than 45 degrees.

    The nearer pixel of the pair is marked, so that a contour belongs to the occluder and is one
    pixel wide.

    Args:
        point: ``(H, W, 3)``, in the camera frame, metres.
        normal: ``(H, W, 3)``, unit vectors in the same frame.
        instance: ``(H, W)``.
        semantic: ``(H, W)``.
        flat: ``(H, W)``, whether the point lies on a flat face.

    Returns:
        ``(H, W)`` bool.
    """
    marked = np.zeros(instance.shape, dtype=bool)
    for axis in (0, 1):
        first = [slice(None)] * 2
        second = [slice(None)] * 2
        first[axis], second[axis] = slice(None, -1), slice(1, None)
        p, q = tuple(first), tuple(second)
        apart = point[q] - point[p]
        off_plane = np.maximum(
            np.abs((apart * normal[p]).sum(axis=-1)), np.abs((apart * normal[q]).sum(axis=-1))
        )
        depth_p, depth_q = point[p][..., 2], point[q][..., 2]
        nearest = np.minimum(depth_p, depth_q)
        crossing = (instance[p] != instance[q]) | (semantic[p] != semantic[q])
        crossing |= off_plane > STEP_METRES + STEP_RELATIVE * nearest
        crease = (normal[p] * normal[q]).sum(axis=-1) < CREASE_COSINE
        crossing |= crease & flat[p] & flat[q]
        marked[p] |= crossing & (depth_p <= depth_q)
        marked[q] |= crossing & (depth_p > depth_q)
    return marked


def saliency(depth: Array, instance: Index, semantic: Index) -> Mask:
    """Mark what a person would look at: people, and plants, boxes and balls, if they are near.

    An instance counts when its median depth is below 4 m and it covers at least 0.3 % of the image.

    Args:
        depth: ``(H, W)``, metres.
        instance: ``(H, W)``.
        semantic: ``(H, W)``, class ids.

    Returns:
        ``(H, W)`` bool.
    """
    candidates = [SEMANTIC_CLASSES.index(name) for name in ('person', *MOVABLE_CLASSES)]
    marked = np.zeros(instance.shape, dtype=bool)
    for i in np.unique(instance[np.isin(semantic, candidates)]):
        here = instance == i
        if here.mean() >= SALIENT_AREA and np.median(depth[here]) < SALIENT_DEPTH:
            marked |= here
    return marked
