"""SynthRooms on disk: deterministic, parallel, resumable. The layout is in docs/synth_rooms.md."""

import fcntl
import json
import os
import shutil
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from multiprocessing import get_context
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from mtl3d.datasets.synthesis.encoding import encode_depth, encode_normals
from mtl3d.datasets.synthesis.render import View, render_room
from mtl3d.datasets.synthesis.scene import random_room

GENERATOR_VERSION = 1
#: From the camera's axes to those of the labels: x right, y up, z towards the viewer, as in NYUv2.
LABEL_AXES = (1, -1, -1)
IMAGE_NAMES = ('image', 'semseg', 'human_parts', 'depth', 'normals', 'edge', 'saliency')
_PARTIAL = '.partial-'


@dataclass(frozen=True)
class SynthRoomsSpec:
    """What a data set consists of; equal specs give equal bytes.

    Attributes:
        train_rooms: Number of rooms of the training split.
        val_rooms: Number of other rooms, of the validation split.
        views: Images per room.
        height: Image height in pixels.
        width: Image width in pixels.
        samples: Sub-pixels per side over which colours are averaged.
        arc_degrees: Angle between consecutive views of a room.
        seed: Chooses another data set.

    Raises:
        ValueError: A number is out of range.
    """

    train_rooms: int = 40
    val_rooms: int = 10
    views: int = 4
    height: int = 96
    width: int = 128
    samples: int = 2
    arc_degrees: float = 6.0
    seed: int = 0

    def __post_init__(self) -> None:
        lowest = dict(train_rooms=1, val_rooms=0, views=1, height=16, width=16, samples=1, seed=0)
        for name, least in lowest.items():
            if getattr(self, name) < least:
                raise ValueError(f'{name}={getattr(self, name)} is below {least}')
        if not 0 <= self.arc_degrees * (self.views - 1) <= 60:
            raise ValueError(
                f'arc_degrees={self.arc_degrees}: {self.views} views would span '
                f'{self.arc_degrees * (self.views - 1):g} degrees, 0 to 60 fit into a room'
            )

    @property
    def rooms(self) -> int:
        """Number of all rooms; the training rooms come first."""
        return self.train_rooms + self.val_rooms

    def split(self, name: str) -> list[str]:
        """List the image ids of ``train`` or ``val``, ``room_0000/view_0`` and so on."""
        if name == 'train':
            rooms = range(self.train_rooms)
        else:
            rooms = range(self.train_rooms, self.rooms)
        return [f'{room_name(room)}/view_{v}' for room in rooms for v in range(self.views)]


def room_name(index: int) -> str:
    """Name the folder of a room."""
    return f'room_{index:04d}'


def write_synth_rooms(root: Path, spec: SynthRoomsSpec, *, workers: int = 1) -> Iterator[str]:
    """Make the rooms that are not there yet, then the split files.

    A room appears under its name only when it is complete, so the process may be killed at any
    time and called again. The bytes depend on ``spec`` alone, not on the number of workers.

    Args:
        root: The data set's folder; made if it is missing.
        spec: What to make.
        workers: Number of processes.

    Yields:
        The name of each room as soon as it is complete, those of an earlier run first.

    Raises:
        ValueError: ``workers`` < 1, or the folder holds something else than this data set.
        OSError: The folder cannot be written to, or the disk is full.
        BlockingIOError: Another process is making this data set.
        ChildProcessError: A worker process died.
    """
    if workers < 1:
        raise ValueError(f'workers={workers} is below 1')
    rooms = root / 'rooms'
    rooms.mkdir(parents=True, exist_ok=True)
    with _locked(root):
        _check_meta(root, spec)
        for left_over in rooms.glob(_PARTIAL + '*'):
            shutil.rmtree(left_over)
        todo = []
        for index in range(spec.rooms):
            if _is_complete(rooms / room_name(index), spec):
                yield room_name(index)
            else:
                todo.append(index)
        for index in _run(root, spec, todo, workers):
            yield room_name(index)
        (root / 'splits').mkdir(exist_ok=True)
        for split in ('train', 'val'):
            _write_atomically(root / 'splits' / f'{split}.txt', '\n'.join(spec.split(split)) + '\n')


def _run(root: Path, spec: SynthRoomsSpec, todo: list[int], workers: int) -> Iterator[int]:
    """Make rooms, in this process or in several; yields each index when done."""
    if workers == 1 or len(todo) <= 1:
        for index in todo:
            make_room(root, spec, index)
            yield index
        return
    # Fresh processes: a fork of a process that runs threads (torch, the progress bar) can deadlock.
    executor = ProcessPoolExecutor(min(workers, len(todo)), mp_context=get_context('spawn'))
    try:
        waiting = {executor.submit(make_room, root, spec, index): index for index in todo}
        while waiting:
            done, _ = wait(waiting, return_when=FIRST_COMPLETED)
            for future in done:
                future.result()
                yield waiting.pop(future)
    except BrokenProcessPool as error:
        raise ChildProcessError(
            f'a worker process died, perhaps for lack of memory (workers={workers}); the same '
            'command with fewer workers continues'
        ) from error
    finally:
        executor.shutdown(wait=True, cancel_futures=True)


def make_room(root: Path, spec: SynthRoomsSpec, index: int) -> None:
    """Render one room into a folder of its own and give it its name when all is written.

    Args:
        root: The data set's folder.
        spec: The data set.
        index: Number of the room; with ``spec.seed`` it decides all random choices.
    """
    cv2.setNumThreads(1)
    rng = np.random.default_rng([spec.seed, index])
    scene = random_room(
        rng, size=(spec.height, spec.width), num_views=spec.views, arc_degrees=spec.arc_degrees
    )
    views = render_room(scene, samples=spec.samples)
    final = root / 'rooms' / room_name(index)
    partial = final.with_name(_PARTIAL + final.name)
    partial.mkdir()
    try:
        for number, view in enumerate(views):
            _write_view(partial / f'view_{number}', view)
        cameras = [
            dict(
                view=f'view_{number}',
                intrinsics=view.camera.intrinsics.tolist(),
                camera_to_world=view.camera.camera_to_world.tolist(),
            )
            for number, view in enumerate(views)
        ]
        (partial / 'cameras.json').write_text(json.dumps(cameras, indent=1) + '\n')
        if final.exists():  # incomplete: somebody removed a part of it
            shutil.rmtree(final)
        partial.rename(final)
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise


def _write_view(folder: Path, view: View) -> None:
    folder.mkdir()
    pictures: dict[str, NDArray[np.uint8 | np.uint16]] = dict(
        image=view.image[..., ::-1],  # OpenCV writes BGR
        semseg=view.semseg,
        human_parts=view.human_parts,
        depth=encode_depth(view.depth),
        normals=encode_normals(view.normals * LABEL_AXES)[..., ::-1],
        edge=view.edge.astype(np.uint8) * 255,
        saliency=view.saliency.astype(np.uint8) * 255,
    )
    for name in IMAGE_NAMES:
        # Encoded in memory, because cv2.imwrite does not say why it failed (a full disk).
        _, data = cv2.imencode('.png', pictures[name])
        (folder / f'{name}.png').write_bytes(data.tobytes())


def _is_complete(folder: Path, spec: SynthRoomsSpec) -> bool:
    files = [
        folder / f'view_{v}' / f'{name}.png' for v in range(spec.views) for name in IMAGE_NAMES
    ]
    files.append(folder / 'cameras.json')
    return all(path.is_file() and path.stat().st_size > 0 for path in files)


def _check_meta(root: Path, spec: SynthRoomsSpec) -> None:
    """Write meta.json, or make sure that the one that is there describes the same data set."""
    path, meta = root / 'meta.json', dict(generator_version=GENERATOR_VERSION, **asdict(spec))
    if not path.exists():
        if any((root / 'rooms').iterdir()):
            raise ValueError(
                f"out='{root}' has a folder rooms/ but no meta.json, so it was not made by this "
                'tool; choose another folder'
            )
        _write_atomically(path, json.dumps(meta, indent=1) + '\n')
        return
    try:
        there = json.loads(path.read_text())
    except json.JSONDecodeError as error:
        raise ValueError(
            f'{path} is damaged ({error}); remove the folder to start again'
        ) from error
    differences = [
        f'{key} is {there.get(key)} there, {value} wanted'
        for key, value in meta.items()
        if there.get(key) != value
    ]
    if differences:
        raise ValueError(
            f"out='{root}' holds another SynthRooms data set ({'; '.join(differences)}). Choose "
            'another folder, or remove this one first'
        )


def _write_atomically(path: Path, text: str) -> None:
    temporary = path.with_name(path.name + '.tmp')
    temporary.write_text(text)
    temporary.replace(path)


@contextmanager
def _locked(root: Path) -> Iterator[None]:
    """Keep a second process out; the lock goes when the process ends, however it ends."""
    handle = os.open(root, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError as error:
        raise BlockingIOError(f"out='{root}': another process is writing this data set") from error
    finally:
        os.close(handle)
