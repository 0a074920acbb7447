"""NYUv2 with 40 classes, depth, normals and boundaries."""

from functools import partial

from mtl3d.datasets.label_readers import (
    read_binary_array,
    read_binary_picture,
    read_class_map,
    read_depth_array,
    read_normals_array,
    read_normals_picture,
)
from mtl3d.datasets.multi_task_dataset import LabelPattern, MultiTaskDataset
from mtl3d.datasets.palette import voc_palette
from mtl3d.registry import DATASETS

# fmt: off
NYUD_CLASSES = (
    'wall', 'floor', 'cabinet', 'bed', 'chair', 'sofa', 'table', 'door', 'window', 'bookshelf',
    'picture', 'counter', 'blinds', 'desk', 'shelves', 'curtain', 'dresser', 'pillow', 'mirror',
    'floor mat', 'clothes', 'ceiling', 'books', 'refrigerator', 'television', 'paper', 'towel',
    'shower curtain', 'box', 'whiteboard', 'person', 'night stand', 'toilet', 'sink', 'lamp',
    'bathtub', 'bag', 'other structure', 'other furniture', 'other prop',
)
# fmt: on


@DATASETS.register_module()
class NYUDv2Dataset(MultiTaskDataset):
    """NYU Depth v2 (Silberman et al., ECCV 2012) as the multi-task literature uses it.

    795 training and 654 validation images. Two public archives are read as they are: ``NYUDv2``
    (of ATRC and InvPT: 425 x 560, pictures) and ``NYUD_MT`` (of MTI-Net: 480 x 640, arrays); which
    one it is shows in the file names.

    The normals' axes are x right, y up, z towards the viewer; the sign of y and z follows from
    the archive's published normal clusters (floors point to +y, visible surfaces to +z), x from
    right-handedness.

    The arguments are those of :class:`MultiTaskDataset`; ``ann_file`` is ``gt_sets/train.txt`` or
    ``gt_sets/val.txt``.
    """

    METAINFO = dict(
        dataset='nyud',
        classes=dict(semseg=NYUD_CLASSES),
        palette=dict(semseg=voc_palette(40, first=1)),
    )
    IMAGE_FILES = ('images/{id}.png', 'images/{id}.jpg')
    LABEL_FILES = dict(
        semseg=(
            LabelPattern(
                'segmentation/{id}.png', partial(read_class_map, num_classes=40, zero_is_void=True)
            ),
        ),
        depth=(LabelPattern('depth/{id}.npy', read_depth_array),),
        normals=(
            LabelPattern('normals/{id}.png', read_normals_picture),
            LabelPattern('normals/{id}.npy', read_normals_array),
        ),
        edge=(
            LabelPattern('edge/{id}.png', read_binary_picture),
            LabelPattern('edge/{id}.npy', read_binary_array),
        ),
    )
