#!/usr/bin/env python
"""Check an extracted NYUv2 archive (NYUDv2 or NYUD_MT, see docs/datasets.md): nothing is changed.

Reads every file of both splits and prints counts, sizes, missing labels and value ranges.
"""

import sys
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from mtl3d.utils.compat import ensure_torchvision

ensure_torchvision()

from mtl3d.apis.check_archive import check_archive
from mtl3d.apis.command_line import run_tool
from mtl3d.datasets import NYUDv2Dataset

SPLITS = dict(train=('gt_sets/train.txt', 795), val=('gt_sets/val.txt', 654))


def main(argv: Sequence[str] | None = None) -> None:
    """Check the archive."""
    check_archive(NYUDv2Dataset, SPLITS, argv, __doc__ or '', 'data/NYUDv2')


if __name__ == '__main__':
    sys.exit(run_tool(main))
