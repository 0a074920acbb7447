#!/usr/bin/env python
"""Check an extracted PASCAL-Context archive (PASCALContext or PASCAL_MT): nothing is changed.

Reads every file of both splits and prints counts, sizes, missing labels and value ranges; see
docs/datasets.md for the layout. Boundaries are derived on the fly, which takes most of the time.
"""

import sys
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from mtl3d.utils.compat import ensure_torchvision

ensure_torchvision()

from mtl3d.apis.check_archive import check_archive
from mtl3d.apis.command_line import run_tool
from mtl3d.datasets import PASCALContextDataset

SPLITS = dict(train=('ImageSets/Context/train.txt', 4998), val=('ImageSets/Context/val.txt', 5105))


def main(argv: Sequence[str] | None = None) -> None:
    """Check the archive."""
    check_archive(
        PASCALContextDataset, SPLITS, argv, __doc__ or '', 'data/PASCALContext', resize=True
    )


if __name__ == '__main__':
    sys.exit(run_tool(main))
