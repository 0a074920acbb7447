#!/usr/bin/env python
"""Make an NYUv2-layout archive from a folder of RGB-D frames.

The source has color/<id>.png (or .jpg) and depth/<id>.png (or .pgm, 16 bits, 0 = no measurement),
registered to each other. Written are images, depth in metres, normals computed from the depth, and
the lists of a train and a val split; semantic classes and boundaries are left unannotated. Then
DATA_ROOT=<out> serves every NYUv2 config.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from mtl3d.utils.compat import ensure_torchvision

ensure_torchvision()

from mtl3d.apis.command_line import run_tool
from mtl3d.datasets.rgbd_folder import convert_rgbd_folder


def main(argv: Sequence[str] | None = None) -> None:
    """Convert the folder and say what was written."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    add = parser.add_argument
    add('source', type=Path, help='folder with color/ and depth/')
    add('out', type=Path, help='archive to write')
    names = ('FX', 'FY', 'CX', 'CY')
    kinect = (518.0, 519.0, 325.5, 253.5)
    add('--intrinsics', type=float, nargs=4, default=kinect, metavar=names, help='in pixels')
    add('--units-per-metre', type=float, default=1000.0, help='depth values per metre')
    add('--size', type=int, nargs=2, default=(425, 560), metavar=('HEIGHT', 'WIDTH'))
    add('--val-frames', type=int, default=1, help='how many of the last frames to validate on')
    add('--normals-radius', type=int, default=4, help='pixels; more averages out sensor noise')
    args = parser.parse_args(argv)
    fx, fy, cx, cy = args.intrinsics
    splits = convert_rgbd_folder(
        args.source,
        args.out,
        intrinsics=np.array([[fx, 0, cx], [0, fy, cy], [0, 0, 1]]),
        units_per_metre=args.units_per_metre,
        size=args.size,
        val_frames=args.val_frames,
        normals_radius=args.normals_radius,
    )
    counts = ' and '.join(f'{len(ids)} {split}' for split, ids in splits.items())
    print(f'{args.out}: {counts} images. Use it by DATA_ROOT={args.out}')


if __name__ == '__main__':
    sys.exit(run_tool(main))
