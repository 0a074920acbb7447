"""Any folder of RGB-D frames with a file of camera poses."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from mtl3d.datasets.label_readers import check_depth_unit, read_stored_depth
from mtl3d.datasets.multi_task_dataset import LabelFile, LabelPattern, MultiTaskDataset
from mtl3d.datasets.rgbd_folder import find_frames
from mtl3d.registry import DATASETS


def read_poses(path: Path) -> NDArray[np.float64]:
    """Read camera-to-world poses.

    Args:
        path: Text file with a row ``x y z qx qy qz qw`` per frame, in metres, in the order of the
            frames. A time stamp may come first (the format of the TUM RGB-D benchmark).

    Returns:
        ``(n, 4, 4)``.

    Raises:
        ValueError: A row has another length, or its quaternion is not of unit length.
        FileNotFoundError: The file is missing.
    """
    rows = [
        line.split()
        for line in path.read_text().splitlines()
        if line.strip() and not line.startswith('#')
    ]
    poses = np.tile(np.eye(4), (len(rows), 1, 1))
    for number, (row, pose) in enumerate(zip(rows, poses, strict=True), start=1):
        if len(row) not in (7, 8):
            raise ValueError(
                f'{path}, row {number}: {len(row)} numbers where x y z qx qy qz qw are expected'
            )
        values = np.array(row[-7:], dtype=np.float64)
        length = np.linalg.norm(values[3:])
        if not abs(length - 1) < 0.01:
            raise ValueError(
                f'{path}, row {number}: the quaternion has length {length:.3g}, so this is no '
                'rigid motion; it must be 1'
            )
        pose[:3, :3] = Rotation.from_quat(values[3:]).as_matrix()
        pose[:3, 3] = values[:3]
    return poses


@DATASETS.register_module()
class RGBDFramesDataset(MultiTaskDataset):
    """Frames of a depth camera: ``color/<id>.png``, ``depth/<id>.png`` and a file of poses.

    An item has the label ``depth`` and, for :class:`~mtl3d.datasets.TwoViewDataset`, ``scene``,
    ``frame``, ``intrinsics`` ``(3, 3)`` and ``pose`` ``(4, 4)``, camera to world in metres.

    Args:
        data_root: The folder; ``.jpg`` and ``.pgm`` are read as well.
        intrinsics: (fx, fy, cx, cy) in pixels; the first pixel's centre is (0, 0).
        pose_file: See :func:`read_poses`; relative to ``data_root``.
        units_per_metre: Stored depth values per metre.
        tasks: ``('depth',)``, or ``()`` for pictures and poses alone.
        pipeline: Transforms.
        test_mode: As in MMEngine.
        lazy_init: As in MMEngine.

    Raises:
        ValueError: The file of poses is damaged or does not have one row per frame, or the first
            frame's depth is implausible.
        FileNotFoundError: A folder or a file is missing.
    """

    METAINFO = dict(dataset='rgbd_frames')
    LABEL_FILES = dict(depth=(LabelPattern('depth/{id}.png', read_stored_depth),))

    def __init__(
        self,
        *,
        data_root: str,
        intrinsics: Sequence[float],
        pose_file: str = 'pose.txt',
        units_per_metre: float = 1000.0,
        tasks: Sequence[str] | None = None,
        pipeline: Sequence[Mapping[str, Any] | Callable] = (),
        test_mode: bool = False,
        lazy_init: bool = False,
    ) -> None:
        focal_x, focal_y, x, y = intrinsics
        self.intrinsics = np.array([[focal_x, 0, x], [0, focal_y, y], [0, 0, 1]], dtype=np.float64)
        self.units_per_metre = units_per_metre
        super().__init__(
            data_root=data_root,
            ann_file=pose_file,
            tasks=tasks,
            pipeline=pipeline,
            test_mode=test_mode,
            lazy_init=lazy_init,
        )

    def load_data_list(self) -> list[dict[str, Any]]:
        """List the frames with their cameras."""
        root = Path(self.data_root)
        frames, poses = find_frames(root), read_poses(Path(self.ann_file))
        if len(frames) != len(poses):
            raise ValueError(
                f"pose_file='{self.ann_file}' has {len(poses)} rows, but there are {len(frames)} "
                'frames in color/: one row per frame is expected'
            )
        read = partial(read_stored_depth, units_per_metre=self.units_per_metre)
        if 'depth' in self.tasks:
            check_depth_unit(frames[0][2], read)
        return [
            dict(
                img_id=name,
                img_path=str(color),
                labels={'depth': LabelFile(str(depth), read)} if 'depth' in self.tasks else {},
                scene=root.name,
                frame=index,
                intrinsics=self.intrinsics,
                pose=pose,
            )
            for index, ((name, color, depth), pose) in enumerate(zip(frames, poses, strict=True))
        ]
