#!/usr/bin/env python
"""Find the cameras of the NYUv2 videos by COLMAP, in metres.

Reads nyu2_train/<scene>_out/<number>.jpg and .png (depth) below the source folder and writes
<out>/<scene>_out.json: pose and intrinsics of every registered frame, and the pairs of frames that
can serve as two views, with their quality. The same command continues where it was interrupted.
Scenes that fail leave <scene>_out.failed with the reason and are listed at the end.
"""

import argparse
import os
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from mtl3d.utils.compat import ensure_torchvision

ensure_torchvision()

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeRemainingColumn

from mtl3d.datasets.colmap.convert import PairLimits, convert_scenes
from mtl3d.datasets.colmap.sparse_model import require_pycolmap
from mtl3d.datasets.label_readers import check_depth_unit, read_stored_depth
from mtl3d.datasets.nyud_video import NYUD_INTRINSICS, find_video_frames


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line."""
    limits = PairLimits()
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    add = parser.add_argument
    add('source', type=Path, help='folder that holds nyu2_train')
    add('out', type=Path, help='folder of the results')
    add('--models', type=Path, help='folder with COLMAP models, <scene>_out/, to read instead')
    add('--scenes', nargs='+', metavar='SCENE', help='these scenes only, such as den_0001_out')
    add('--frame-stride', type=int, default=1, help='take every so many frames of a scene')
    names = ('FX', 'FY', 'CX', 'CY')
    default = tuple(NYUD_INTRINSICS[[0, 1, 0, 1], [0, 1, 2, 2]].tolist())
    add('--intrinsics', type=float, nargs=4, default=default, metavar=names, help='in pixels')
    add('--units-per-metre', type=float, help='of stored depth; by default 1000, of 8 bits 25.5')
    add('--max-distance', type=int, default=limits.max_distance, help='of a pair, in frames')
    add('--min-points', type=int, default=limits.min_points, help='common points of a pair')
    spread = 'quartile distance over median of sensor depth / COLMAP depth'
    add('--max-spread', type=float, default=limits.max_spread, help=spread)
    residual = 'median relative difference of depth between the frames of a pair'
    add('--max-residual', type=float, default=limits.max_residual, help=residual)
    add('--workers', type=int, default=os.cpu_count() or 1, help='scenes at a time')
    add('--threads', type=int, default=1, help="COLMAP's threads for each scene")
    add('--seed', type=int, default=0, help="of COLMAP's random numbers")
    add('--retry', action='store_true', help='try the scenes again that failed before')
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> None:
    """Convert the scenes and say which failed and why."""
    args = parse_args(argv)
    require_pycolmap()
    if args.models is not None and not args.models.is_dir():
        raise FileNotFoundError(f"--models '{args.models}' is not a folder")
    scenes = find_video_frames(args.source, args.frame_stride)
    if args.scenes is not None:
        unknown = sorted(set(args.scenes) - set(scenes))
        if unknown:
            raise ValueError(f"--scenes: '{unknown[0]}' is not in {args.source}/nyu2_train")
        scenes = {name: scenes[name] for name in args.scenes}
    read_depth = partial(read_stored_depth, units_per_metre=args.units_per_metre)
    check_depth_unit(next(iter(scenes.values()))[0].depth, read_depth)
    limits = PairLimits(args.max_distance, args.min_points, args.max_spread, args.max_residual)
    fx, fy, cx, cy = args.intrinsics
    failures = {}
    columns = ('COLMAP', BarColumn(), MofNCompleteColumn(), 'scenes', TimeRemainingColumn())
    with Progress(*columns) as progress:
        task = progress.add_task('', total=len(scenes))
        try:
            for scene, reason in convert_scenes(
                scenes,
                args.out,
                intrinsics=np.array([[fx, 0, cx], [0, fy, cy], [0, 0, 1]]),
                read_depth=read_depth,
                limits=limits,
                models=args.models,
                workers=args.workers,
                threads=args.threads,
                seed=args.seed,
                retry=args.retry,
            ):
                if reason is not None:
                    failures[scene] = reason
                progress.advance(task)
        except KeyboardInterrupt:
            raise KeyboardInterrupt('The same command continues.') from None
    for scene, reason in sorted(failures.items()):
        print(f'{scene} failed: {reason}')
    print(f'{args.out}: {len(scenes) - len(failures)} of {len(scenes)} scenes have cameras')


if __name__ == '__main__':
    # Here, because the worker processes import this file and need nothing of the models.
    from mtl3d.apis.command_line import run_tool

    sys.exit(run_tool(main))
