"""PASCAL-Context with human parts, saliency, normals and boundaries."""

from collections.abc import Iterable
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.io import loadmat
from skimage.morphology import thin

from mtl3d.datasets.label_readers import (
    read_binary_picture,
    read_class_map,
    read_normals_picture,
)
from mtl3d.datasets.multi_task_dataset import LabelPattern, MultiTaskDataset
from mtl3d.datasets.palette import voc_palette
from mtl3d.registry import DATASETS

PERSON = 15
"""Class id of a person in PASCAL VOC."""

# fmt: off
PASCAL_CLASSES = (
    'background', 'aeroplane', 'bicycle', 'bird', 'boat', 'bottle', 'bus', 'car', 'cat', 'chair',
    'cow', 'diningtable', 'dog', 'horse', 'motorbike', 'person', 'pottedplant', 'sheep', 'sofa',
    'train', 'tvmonitor',
)

HUMAN_PARTS = ('background', 'head', 'torso', 'upper arm', 'lower arm', 'upper leg', 'lower leg')

_PART_NAMES = (
    (),
    ('head', 'hair', 'lear', 'rear', 'lebrow', 'rebrow', 'leye', 'reye', 'nose', 'mouth'),
    ('torso', 'neck'),
    ('luarm', 'ruarm'),
    ('llarm', 'rlarm', 'lhand', 'rhand'),
    ('luleg', 'ruleg'),
    ('llleg', 'rlleg', 'lfoot', 'rfoot'),
)
PART_IDS = {name: part_id for part_id, names in enumerate(_PART_NAMES) for name in names}
"""PASCAL-Part's part name -> id in :data:`HUMAN_PARTS`."""

# The normals are predictions of a network trained on NYUv2, so they are kept only on classes of
# PASCAL-Context that occur among NYUv2's class names, and on tvmonitor (Maninis et al., CVPR 2019).
CLASSES_WITH_NORMALS = (
    3, 4, 6, 9, 10, 11, 13, 15, 17, 18, 22, 23, 29, 30, 33, 34, 36, 37, 38, 39, 41, 43, 46, 49,
    50, 51, 53, 55, 56, 59, 61, 62, 65, 66, 68, 69, 72, 73, 78, 83, 84, 85, 87, 88, 95, 96, 101,
    104, 105, 107, 111, 113, 115, 122, 124, 135, 141, 142, 143, 146, 150, 154, 157, 158, 159, 165,
    172, 174, 181, 183, 184, 191, 193, 195, 197, 199, 202, 213, 215, 216, 219, 220, 223, 225, 228,
    230, 232, 233, 238, 239, 242, 243, 246, 250, 251, 252, 255, 260, 261, 263, 269, 272, 273, 275,
    281, 283, 284, 285, 286, 287, 288, 290, 291, 292, 293, 295, 304, 307, 309, 310, 314, 315, 319,
    323, 329, 330, 331, 336, 342, 345, 349, 350, 351, 352, 355, 357, 368, 370, 371, 374, 379, 380,
    383, 384, 397, 401, 403, 405, 407, 408, 411, 412, 413, 414, 417, 419, 421, 423, 427, 429, 430,
    432, 440, 441, 442, 443, 444, 446, 454, 457,
)
# fmt: on


def edges_from_label_map(label_map: NDArray) -> NDArray[np.float32]:
    """Derive boundaries from a map of classes.

    Pixels where the 4-neighbour Laplacian of the ids (in float64, mirrored border) is not zero,
    thinned to lines (Guo and Hall's two sub-iterations, to convergence).

    Args:
        label_map: ``(H, W)`` class ids.

    Returns:
        ``(H, W)`` float32, 1 on boundaries.
    """
    response = cv2.Laplacian(label_map.astype(np.float64), cv2.CV_64F)
    return thin(response != 0).astype(np.float32)


def paint_human_parts(objects: Iterable[dict[str, Any]]) -> NDArray[np.uint8] | None:
    """Draw the parts of all persons into one map.

    Args:
        objects: Objects of PASCAL-Part: ``class_ind``, ``mask`` ``(H, W)`` and ``parts``, each of
            these with ``part_name`` and ``mask`` ``(H, W)``. Later parts cover earlier ones.

    Returns:
        ``(H, W)`` uint8 ids of :data:`HUMAN_PARTS`; zeros when no person has parts; None when there
        is no object at all.

    Raises:
        ValueError: A part's name is unknown.
    """
    canvas = None
    for item in objects:
        if canvas is None:
            canvas = np.zeros(np.shape(item['mask']), np.uint8)
        if item['class_ind'] != PERSON:
            continue
        for part in _as_list(item['parts']):
            if part['part_name'] not in PART_IDS:
                raise ValueError(f"has the unknown part '{part['part_name']}' of a person")
            canvas[np.asarray(part['mask']) > 0] = PART_IDS[part['part_name']]
    return canvas


def _as_list(value: Any) -> list:
    """Undo MATLAB's squeezing: an empty array is no element, a lone struct is one."""
    return [value] if isinstance(value, dict) else list(value)


def read_label_map(path: str | Path) -> NDArray:
    """Read the ``(H, W)`` map of the 459 classes of PASCAL-Context from a ``.mat`` file."""
    return loadmat(path)['LabelMap']


def read_pascal_edges(path: str | Path) -> NDArray[np.float32]:
    """Derive ``(H, W)`` float32 boundaries from a file of :func:`read_label_map`."""
    return edges_from_label_map(read_label_map(path))


def read_pascal_normals(path: str | Path) -> NDArray:
    """Read distilled normals and keep those of :data:`CLASSES_WITH_NORMALS`.

    Args:
        path: ``<root>/normals_distill/<id>.png``; the classes come from
            ``<root>/pascal-context/trainval/<id>.mat``.

    Returns:
        ``(H, W, 3)`` float32, zero vectors where the class is not in the list.

    Raises:
        ValueError: The map of classes has another size.
    """
    path = Path(path)
    normals: NDArray = read_normals_picture(path)
    map_path = path.parents[1] / 'pascal-context' / 'trainval' / f'{path.stem}.mat'
    keep = np.isin(read_label_map(map_path), CLASSES_WITH_NORMALS)
    if keep.shape != normals.shape[:2]:
        size = (keep.shape[1], keep.shape[0])
        normals = cv2.resize(normals, size, interpolation=cv2.INTER_NEAREST)
    return normals * keep[..., None].astype(np.float32)


def read_human_parts(path: str | Path) -> NDArray[np.uint8] | None:
    """Read a file of PASCAL-Part (Chen et al., CVPR 2014); see :func:`paint_human_parts`."""
    return paint_human_parts(_as_list(loadmat(path, simplify_cells=True)['anno']['objects']))


@DATASETS.register_module()
class PASCALContextDataset(MultiTaskDataset):
    """PASCAL-Context (Mottaghi et al., CVPR 2014), five tasks as of Maninis et al. (CVPR 2019).

    4998 training and 5105 validation images of at most 500 x 500. The archives ``PASCALContext``
    (of ATRC and InvPT) and ``PASCAL_MT`` (of ASTMT) have the same layout and are read as they are.
    Boundaries are derived from the map of 459 classes; saliency and normals are predictions of
    networks, the latter kept only on classes that also occur indoors. The normals' axes are those
    of :class:`NYUDv2Dataset`.

    The arguments are those of :class:`MultiTaskDataset`; ``ann_file`` is
    ``ImageSets/Context/train.txt`` or ``ImageSets/Context/val.txt``.
    """

    METAINFO = dict(
        dataset='pascal',
        classes=dict(semseg=PASCAL_CLASSES, human_parts=HUMAN_PARTS),
        palette=dict(semseg=voc_palette(21), human_parts=voc_palette(7)),
    )
    IMAGE_FILES = ('JPEGImages/{id}.jpg',)
    LABEL_FILES = dict(
        semseg=(
            LabelPattern('semseg/VOC12/{id}.png', partial(read_class_map, num_classes=21)),
            LabelPattern('semseg/pascal-context/{id}.png', partial(read_class_map, num_classes=21)),
        ),
        human_parts=(LabelPattern('human_parts/{id}.mat', read_human_parts),),
        saliency=(LabelPattern('sal_distill/{id}.png', read_binary_picture),),
        normals=(LabelPattern('normals_distill/{id}.png', read_pascal_normals),),
        edge=(LabelPattern('pascal-context/trainval/{id}.mat', read_pascal_edges),),
    )
