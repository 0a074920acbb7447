"""NYUv2's labelled images together with frames of its videos, which have depth only."""

import logging
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from mmengine.logging import print_log

from mtl3d.datasets.colmap import Frame, SceneCameras
from mtl3d.datasets.label_readers import check_depth_unit, read_stored_depth
from mtl3d.datasets.multi_task_dataset import LabelFile
from mtl3d.datasets.nyud import NYUDv2Dataset
from mtl3d.registry import DATASETS

#: Colour camera of the Kinect at 640 x 480, from the data set's toolbox (Silberman et al., ECCV
#: 2012), whose first pixel is (1, 1).
NYUD_INTRINSICS = np.array([[518.86, 0, 324.58], [0, 519.47, 252.74], [0, 0, 1]])

SUFFIX = '_out'


def find_video_frames(video_root: Path, frame_stride: int = 1) -> dict[str, list[Frame]]:
    """List the frames of ``nyu2_train/<scene>_out/<number>.jpg`` with ``<number>.png``.

    Its folder ``nyu2_test``, the labelled test images, is not looked at.

    Args:
        video_root: Folder that holds ``nyu2_train``.
        frame_stride: Take every so many frames of a scene.

    Returns:
        Scene (with its ``_out``) -> frames in the order of time; frames without depth are left out.

    Raises:
        FileNotFoundError: There is no such folder, or no frame in it.
    """
    root = video_root / 'nyu2_train'
    if not root.is_dir():
        raise FileNotFoundError(
            f"video_root='{video_root}' has no folder nyu2_train: give the folder to which the "
            'public copy of the NYUv2 videos was extracted (docs/cross_view.md)'
        )
    scenes: dict[str, list[Frame]] = {}
    incomplete: list[Frame] = []
    for folder in sorted(root.glob(f'*{SUFFIX}')):
        names = {path.name for path in folder.iterdir()}
        numbers = sorted(int(n[:-4]) for n in names if n.endswith('.jpg') and n[:-4].isdigit())
        frames: list[Frame] = []
        for number in numbers[::frame_stride]:
            frame = Frame(str(number), folder / f'{number}.jpg', folder / f'{number}.png')
            (frames if frame.depth.name in names else incomplete).append(frame)
        if frames:
            scenes[folder.name] = frames
    if not scenes:
        raise FileNotFoundError(
            f"'{root}' has no frames: expected <scene>{SUFFIX}/<number>.jpg and <number>.png"
        )
    if incomplete:
        print_log(
            f"'{root}': {len(incomplete)} frames without depth are left out, the first one is "
            f'{incomplete[0].image}',
            logger='current',
            level=logging.WARNING,
        )
    return scenes


@DATASETS.register_module()
class NYUDv2VideoDataset(NYUDv2Dataset):
    """The labelled images of NYUv2 and, behind them, frames of its videos.

    The paper's Table 3 (ICLR 2024). A frame has depth and no other label. Its item has ``scene``,
    ``frame`` (a number), ``intrinsics`` ``(3, 3)``, and where COLMAP found its camera ``pose``
    ``(4, 4)``, camera to world in metres, and ``partners``: the id of another frame -> (overlap,
    scale), see :class:`~mtl3d.datasets.TwoViewDataset`, which makes items of two views of them.

    Args:
        video_root: Folder that holds ``nyu2_train``.
        cameras: Folder that ``tools/dataset_converters/nyud_video.py`` wrote; None for frames
            without poses.
        frame_stride: Take every so many frames of a scene.
        units_per_metre: Stored depth values per metre; None recognises the public copy, see
            :func:`~mtl3d.datasets.label_readers.read_stored_depth`.
        labelled_repeat: How many times each labelled image is listed, against the many frames.
        labelled: All arguments of :class:`NYUDv2Dataset`. ``data_fraction`` and ``fraction_seed``
            choose among the labelled images; frames have ``depth`` if it is among ``tasks``.

    Raises:
        ValueError: A number below 1, a damaged camera file, implausible depth, or as in
            :class:`NYUDv2Dataset`.
        FileNotFoundError: The videos or the cameras are missing, or as in :class:`NYUDv2Dataset`.
    """

    def __init__(
        self,
        *,
        video_root: str,
        cameras: str | None = None,
        frame_stride: int = 1,
        units_per_metre: float | None = None,
        labelled_repeat: int = 1,
        **labelled: Any,
    ) -> None:
        for name, value in dict(frame_stride=frame_stride, labelled_repeat=labelled_repeat).items():
            if value < 1:
                raise ValueError(f'{name}={value} must be at least 1')
        self.video_root = Path(video_root)
        self.cameras = None if cameras is None else Path(cameras)
        self.frame_stride = frame_stride
        self.read_depth = partial(read_stored_depth, units_per_metre=units_per_metre)
        self.labelled_repeat = labelled_repeat
        super().__init__(**labelled)

    def load_data_list(self) -> list[dict[str, Any]]:
        """List the labelled images, then the frames."""
        labelled = super().load_data_list() * self.labelled_repeat
        scenes = find_video_frames(self.video_root, self.frame_stride)
        if self.cameras is not None and not any(self.cameras.glob(f'*{SUFFIX}.json')):
            raise FileNotFoundError(
                f"cameras='{self.cameras}' has no <scene>{SUFFIX}.json. Make them by: python "
                f'tools/dataset_converters/nyud_video.py {self.video_root} {self.cameras}'
            )
        if 'depth' in self.tasks:
            check_depth_unit(next(iter(scenes.values()))[0].depth, self.read_depth)
        frames = [item for name, listed in scenes.items() for item in self._items(name, listed)]
        with_camera = sum('pose' in item for item in frames)
        print_log(
            f'{type(self).__name__} {self.video_root}: {len(frames)} frames of {len(scenes)} '
            f'scenes, {with_camera} of them with a pose',
            logger='current',
        )
        return labelled + frames

    def _items(self, scene: str, frames: Sequence[Frame]) -> list[dict[str, Any]]:
        items: dict[str, dict[str, Any]] = {
            frame.name: dict(
                img_id=f'{scene}/{frame.name}',
                img_path=str(frame.image),
                labels={'depth': LabelFile(str(frame.depth), self.read_depth)}
                if 'depth' in self.tasks
                else {},
                scene=scene,
                frame=int(frame.name),
                intrinsics=NYUD_INTRINSICS,
                partners={},
            )
            for frame in frames
        }
        path = None if self.cameras is None else self.cameras / f'{scene}.json'
        if path is not None and path.is_file():
            cameras = SceneCameras.read(path)
            for name in items.keys() & cameras.frames.keys():
                camera = cameras.frames[name]
                items[name].update(intrinsics=camera.intrinsics, pose=camera.pose)
            for pair in cameras.pairs:
                if set(pair.frames) <= items.keys():
                    for me, seen_of_other in ((0, 1), (1, 0)):
                        item, other = items[pair.frames[me]], pair.frames[1 - me]
                        seen = pair.overlap[seen_of_other]
                        item['partners'][f'{scene}/{other}'] = (seen, pair.scale)
        return list(items.values())
