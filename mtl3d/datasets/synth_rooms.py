"""SynthRooms: rendered rooms with exact labels of all six tasks, cameras and several views."""

import json
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from mtl3d.datasets.label_readers import read_binary_picture, read_class_map
from mtl3d.datasets.multi_task_dataset import LabelPattern, MultiTaskDataset
from mtl3d.datasets.synthesis.classes import (
    HUMAN_PARTS,
    HUMAN_PARTS_PALETTE,
    SEMANTIC_CLASSES,
    SEMANTIC_PALETTE,
)
from mtl3d.datasets.synthesis.encoding import decode_depth, decode_normals
from mtl3d.registry import DATASETS


def read_depth_picture(path: str) -> NDArray[np.float32]:
    """Read SynthRooms' depth, ``(H, W)`` float32 metres, from a 16-bit picture."""
    return decode_depth(_read_16_bit(path, channels=1))


def read_normals_picture_16(path: str) -> NDArray[np.float32]:
    """Read SynthRooms' normals, ``(H, W, 3)`` float32 unit vectors, from a 16-bit picture."""
    return decode_normals(_read_16_bit(path, channels=3)[..., ::-1])


def _read_16_bit(path: str, channels: int) -> NDArray[np.uint16]:
    # OpenCV, because Pillow reduces 16-bit colour to 8 bits.
    stored = cv2.imdecode(np.fromfile(path, np.uint8), cv2.IMREAD_UNCHANGED)
    if stored is None:
        raise ValueError('is no picture, or is damaged')
    if stored.dtype != np.uint16 or (stored.ndim == 3) != (channels == 3):
        raise ValueError(
            f'has shape {stored.shape} of {stored.dtype} where 16 bits and {channels} channel(s) '
            'are expected'
        )
    return stored  # type: ignore[return-value]


@DATASETS.register_module()
class SynthRoomsDataset(MultiTaskDataset):
    """The data set that ``tools/dataset_converters/synth_rooms.py`` makes (docs/synth_rooms.md).

    All labels are exact. An item additionally has ``room`` (also as ``scene``), ``frame`` (the
    view's number), ``intrinsics`` ``(3, 3)`` and ``pose`` ``(4, 4)``, camera to world, both
    float64; the views of one room share a world. The normals'
    axes are those of NYUv2: x right, y up, z towards the viewer.

    The arguments are those of :class:`MultiTaskDataset`; ``ann_file`` is ``splits/train.txt`` or
    ``splits/val.txt``.
    """

    METAINFO = dict(
        dataset='synthrooms',
        classes=dict(semseg=SEMANTIC_CLASSES, human_parts=HUMAN_PARTS),
        palette=dict(semseg=SEMANTIC_PALETTE, human_parts=HUMAN_PARTS_PALETTE),
    )
    IMAGE_FILES = ('rooms/{id}/image.png',)
    LABEL_FILES = dict(
        semseg=(
            LabelPattern(
                'rooms/{id}/semseg.png', partial(read_class_map, num_classes=len(SEMANTIC_CLASSES))
            ),
        ),
        human_parts=(
            LabelPattern(
                'rooms/{id}/human_parts.png', partial(read_class_map, num_classes=len(HUMAN_PARTS))
            ),
        ),
        depth=(LabelPattern('rooms/{id}/depth.png', read_depth_picture),),
        normals=(LabelPattern('rooms/{id}/normals.png', read_normals_picture_16),),
        edge=(LabelPattern('rooms/{id}/edge.png', read_binary_picture),),
        saliency=(LabelPattern('rooms/{id}/saliency.png', read_binary_picture),),
    )

    def load_data_list(self) -> list[dict[str, Any]]:
        """List the images with their labels and cameras.

        Raises:
            FileNotFoundError: The data set was not made, or not completely; the message has the
                command.
            ValueError: See the base class.
        """
        if not Path(self.ann_file).is_file():
            raise FileNotFoundError(
                f"ann_file='{self.ann_file}' of SynthRoomsDataset is missing: the data set has not "
                'been made, or not to its end. Make it by: python '
                f'tools/dataset_converters/synth_rooms.py --out {self.data_root}'
            )
        data_list = super().load_data_list()
        cameras: dict[str, dict[str, Any]] = {}
        for info in data_list:
            room, view = info['img_id'].split('/')
            if room not in cameras:
                listed = json.loads(Path(self.data_root, 'rooms', room, 'cameras.json').read_text())
                cameras[room] = {camera['view']: camera for camera in listed}
            info['room'] = info['scene'] = room
            info['frame'] = int(view.removeprefix('view_'))
            info['intrinsics'] = np.array(cameras[room][view]['intrinsics'])
            info['pose'] = np.array(cameras[room][view]['camera_to_world'])
        return data_list
