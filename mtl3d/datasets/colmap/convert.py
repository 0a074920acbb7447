"""Scenes of RGB-D frames to files of metric cameras: parallel, resumable, never half-written."""

import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from functools import partial
from glob import escape
from multiprocessing import get_context
from pathlib import Path
from tempfile import mkdtemp

import numpy as np
import torch
from numpy.typing import NDArray

from mtl3d.datasets.colmap.scale import robust_scale, sensor_ratios
from mtl3d.datasets.colmap.scene_cameras import FrameCamera, Pair, SceneCameras
from mtl3d.datasets.colmap.sparse_model import (
    ReconstructionError,
    SparseView,
    common_points,
    read_sparse_model,
    reconstruct,
)
from mtl3d.geometry import check_intrinsics
from mtl3d.geometry.depth_maps import depth_residual, overlap

#: Every how many pixels the overlap of two frames looks at the depth.
STRIDE = 4
_WORK = '.work-'


@dataclass(frozen=True)
class Frame:
    """One frame of a scene.

    Attributes:
        name: Unique in the scene.
        image: The picture.
        depth: The registered depth map.
    """

    name: str
    image: Path
    depth: Path


@dataclass(frozen=True)
class PairLimits:
    """Which pairs are usable.

    Attributes:
        max_distance: Largest distance of the two frames in the scene's list.
        min_points: Fewest sparse points that both show and both sensors measured.
        max_spread: Largest spread of the ratios of sensor depth to COLMAP's depth.
        max_residual: Largest median difference of depth, relative, where the frames see the same.
            The ratios tell nothing about the pose: on real frames COLMAP found rotations 6 to 15
            degrees off with a spread of 0.12, but residuals of 0.09 and more (right ones: 0.04).
    """

    max_distance: int = 10
    min_points: int = 20
    max_spread: float = 0.15
    max_residual: float = 0.06


def metric_cameras(
    views: Mapping[str, SparseView],
    frames: Sequence[Frame],
    read_depth: Callable[[str], NDArray],
    limits: PairLimits,
) -> SceneCameras:
    """Bring a sparse model to metres and judge its pairs of frames.

    The scene's unit is the median ratio of sensor depth to COLMAP's depth over all points; a pair
    has a scale of its own, relative to it, over the points that both frames show.

    Args:
        views: Registered views by name.
        frames: All frames, in the order of time.
        read_depth: From a path to ``(H, W)`` metres, 0 = no measurement.
        limits: Which pairs are usable.

    Raises:
        ReconstructionError: Fewer than two frames are registered, the sensor measured too few of
            the points, a depth map is not of its picture's size, or no pair is usable.
    """
    present = [frame for frame in frames if frame.name in views]
    if len(present) < 2:
        raise ReconstructionError(f'{len(present)} of {len(frames)} images are registered')
    ratios, depths = {}, {}
    for frame in present:
        depth, view = read_depth(str(frame.depth)), views[frame.name]
        if depth.shape != view.size:
            raise ReconstructionError(
                f'{frame.depth} is {depth.shape}, but its picture is {view.size}: depth must be '
                'registered to the picture'
            )
        ratios[frame.name] = sensor_ratios(view.pixels, view.depths, depth)
        depths[frame.name] = depth[::STRIDE, ::STRIDE]
    unit = robust_scale(np.concatenate(list(ratios.values())))
    if unit.ratios < limits.min_points:
        raise ReconstructionError(
            f'the depth sensor measured {unit.ratios} of the sparse points, but '
            f'{limits.min_points} are needed to fix the scale'
        )
    cameras = {}
    for frame in present:
        view = views[frame.name]
        pose = np.linalg.inv(view.to_camera).astype(np.float64)
        pose[:3, 3] *= unit.median
        cameras[frame.name] = FrameCamera(view.intrinsics, pose)
    pairs, contradicted = [], 0
    for index, first in enumerate(present):
        for second in present[index + 1 : index + 1 + limits.max_distance]:
            mine, theirs = common_points(views[first.name], views[second.name])
            both = np.stack([ratios[first.name][mine], ratios[second.name][theirs]])
            both = both[:, np.isfinite(both).all(axis=0)]
            scale = robust_scale(both)
            if both.shape[1] < limits.min_points or scale.spread > limits.max_spread:
                continue
            factor = scale.median / unit.median
            names = (first.name, second.name)
            seen, residual = _agreement(
                [cameras[n] for n in names], [depths[n] for n in names], factor
            )
            if residual <= limits.max_residual:
                pairs.append(Pair(names, both.shape[1], factor, scale.spread, seen, residual))
            else:
                contradicted += 1
    if not pairs:
        raise ReconstructionError(
            f'{len(present)} of {len(frames)} images are registered, but no pair is usable: '
            f'{contradicted} have poses that contradict the depth (residual above '
            f'{limits.max_residual}), the others too few common points or too large a spread '
            f'(limits: {limits.min_points} and {limits.max_spread})'
        )
    unregistered = [frame.name for frame in frames if frame.name not in views]
    return SceneCameras(cameras, pairs, unit.median, unregistered)


def _agreement(
    cameras: Sequence[FrameCamera], depths: Sequence[NDArray], scale: float
) -> tuple[tuple[float, float], float]:
    """Compute the part of each frame that the other one sees, and the median depth residual."""
    thin = np.diag([1 / STRIDE, 1 / STRIDE, 1])
    parts, residuals = [], []
    for me, other in ((0, 1), (1, 0)):
        to_other = np.linalg.inv(cameras[other].pose) @ cameras[me].pose
        to_other[:3, 3] *= scale
        matrices = [thin @ cameras[i].intrinsics for i in (me, other)]
        residual = depth_residual(depths[me], matrices[0], depths[other], matrices[1], to_other)
        parts.append(overlap(residual, depths[me]))
        residuals.append(np.abs(residual[np.isfinite(residual)]))
    known = np.concatenate(residuals)
    return (parts[0], parts[1]), float(np.median(known)) if known.size else float('inf')


def convert_scene(
    scene: str,
    frames: Sequence[Frame],
    out: Path,
    *,
    intrinsics: NDArray,
    read_depth: Callable[[str], NDArray],
    limits: PairLimits,
    models: Path | None = None,
    threads: int = 1,
    seed: int = 0,
) -> str | None:
    """Write ``<out>/<scene>.json``, or ``<out>/<scene>.failed`` with the reason.

    Args:
        scene: Its name.
        frames: Its frames in the order of time.
        out: Folder of the results.
        intrinsics: ``(3, 3)`` of all frames.
        read_depth: From a path to ``(H, W)`` metres.
        limits: Which pairs are usable.
        models: Folder with a COLMAP model per scene, ``<models>/<scene>``, to read instead of
            running COLMAP.
        threads: Number of COLMAP's threads.
        seed: Of COLMAP's random numbers.

    Returns:
        None, or why the scene failed.
    """
    failed = out / f'{scene}.failed'
    work = Path(mkdtemp(prefix=f'{_WORK}{scene}-', dir=out))
    try:
        if models is None:
            images = {frame.name: frame.image for frame in frames}
            views = reconstruct(images, intrinsics, work, threads=threads, seed=seed)
        else:
            views = read_sparse_model(models / scene)
        cameras = metric_cameras(views, frames, read_depth, limits)
        cameras.write(out / f'{scene}.json')
        failed.unlink(missing_ok=True)
    except (ReconstructionError, OSError, ValueError) as error:
        failed.write_text(f'{error}\n')
        return str(error)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return None


def convert_scenes(
    scenes: Mapping[str, Sequence[Frame]],
    out: Path,
    *,
    intrinsics: NDArray,
    read_depth: Callable[[str], NDArray],
    limits: PairLimits | None = None,
    models: Path | None = None,
    workers: int = 1,
    threads: int = 1,
    seed: int = 0,
    retry: bool = False,
) -> Iterator[tuple[str, str | None]]:
    """Find the cameras of the scenes that are not done yet; see :func:`convert_scene`.

    Args:
        scenes: Name -> frames.
        out: Folder of the results; made if it is missing. Processes that do different scenes may
            share it.
        intrinsics: ``(3, 3)`` of all frames.
        read_depth: A module-level function from a path to ``(H, W)`` metres.
        limits: Which pairs are usable; the defaults if None.
        models: See :func:`convert_scene`.
        workers: Number of processes.
        threads: COLMAP's threads in each of them.
        seed: Of COLMAP's random numbers; another one gives a failed scene another chance.
        retry: Try scenes again that failed in an earlier run.

    Yields:
        Each scene as soon as it is done, with None or why it failed; those of earlier runs first.

    Raises:
        ValueError: ``workers`` or ``threads`` < 1, or ``intrinsics`` are singular.
        ChildProcessError: A worker process died.
    """
    if workers < 1 or threads < 1:
        raise ValueError(f'workers={workers}, threads={threads}: both must be at least 1')
    check_intrinsics(torch.as_tensor(intrinsics, dtype=torch.float64))
    out.mkdir(parents=True, exist_ok=True)
    todo = []
    for scene in scenes:
        failed = out / f'{scene}.failed'
        if (out / f'{scene}.json').is_file():
            yield scene, None
        elif failed.is_file() and not retry:
            yield scene, failed.read_text().strip()
        else:
            # Of this scene alone: another process may be at work on others.
            for left_over in out.glob(f'{_WORK}{escape(scene)}-*'):
                shutil.rmtree(left_over)
            todo.append(scene)
    work = partial(
        convert_scene,
        out=out,
        intrinsics=intrinsics,
        read_depth=read_depth,
        limits=limits or PairLimits(),
        models=models,
        threads=threads,
        seed=seed,
    )
    if workers == 1 or len(todo) <= 1:
        for scene in todo:
            yield scene, work(scene, scenes[scene])
        return
    # Fresh processes: a fork of a process that runs threads can deadlock.
    executor = ProcessPoolExecutor(min(workers, len(todo)), mp_context=get_context('spawn'))
    try:
        waiting = {executor.submit(work, scene, scenes[scene]): scene for scene in todo}
        while waiting:
            done, _ = wait(waiting, return_when=FIRST_COMPLETED)
            for future in done:
                yield waiting.pop(future), future.result()
    except BrokenProcessPool as error:
        raise ChildProcessError(
            f'a worker process died, perhaps for lack of memory (workers={workers}); the same '
            'command with fewer workers continues'
        ) from error
    finally:
        executor.shutdown(wait=True, cancel_futures=True)
