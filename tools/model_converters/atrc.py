#!/usr/bin/env python
"""Convert a checkpoint of ATRC's code to mtl3d's naming, or back.

    python tools/model_converters/atrc.py OFFICIAL_CKPT OUT
    python tools/model_converters/atrc.py --reverse OUR_CKPT OUT

ATRC, its relation search and its hard-sharing baseline are told apart by their weights' names. The
names do not tell the genotype: take the one that the checkpoint was trained with. Every tensor's
old and new name is printed; an unknown or a missing one is an error.

A checkpoint with PyTorch-Lightning's own objects in it is refused, since reading it could run any
code. Reduce it to its weights where it was made:

    torch.save({'state_dict': torch.load('last.ckpt')['state_dict']}, 'weights.pth')
"""

import sys
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from mtl3d.apis.command_line import run_tool
from mtl3d.apis.model_conversion import convert_command
from mtl3d.models.converters.atrc import from_official, to_official


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command line."""
    convert_command(argv, __doc__, from_official, to_official)


if __name__ == '__main__':
    sys.exit(run_tool(main))
