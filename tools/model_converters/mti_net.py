#!/usr/bin/env python
"""Convert a checkpoint of the multi-task survey's code to mtl3d's naming.

    python tools/model_converters/mti_net.py OFFICIAL_CKPT OUT

MTI-Net, PAD-Net, MTAN, Cross-Stitch, NDDR-CNN and the baselines are told apart by their weights'
names; a single-task baseline that predicts one channel needs --task. Every tensor's old and new
name is printed; an unknown or a missing one is an error.
"""

import sys
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from mtl3d.apis.command_line import run_tool
from mtl3d.apis.model_conversion import convert_command
from mtl3d.models.converters.survey import from_official


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command line."""
    task = 'of a single-task checkpoint whose prediction has one channel: saliency, edge or depth'
    convert_command(argv, __doc__, from_official, options=dict(task=task))


if __name__ == '__main__':
    sys.exit(run_tool(main))
