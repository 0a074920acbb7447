#!/usr/bin/env python
"""Export a model for inference, without the regularizer and the training state."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from mtl3d.apis import command_line


def main(argv: Sequence[str] | None = None) -> None:
    """Parse the arguments and export."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('config', type=command_line.input_file, help='config file')
    parser.add_argument('checkpoint', type=command_line.input_file, help='checkpoint file')
    parser.add_argument(
        'output', type=command_line.output_file, help='OUT.pth (weights) or OUT.onnx (graph)'
    )
    command_line.add_common_arguments(parser)
    args = parser.parse_args(argv)

    # Torch takes seconds to import; a wrong path has been reported by now.
    from mtl3d.apis.configuration import load_config
    from mtl3d.apis.export import export

    cfg = load_config(args.config, args.cfg_options)
    print(export(cfg, args.checkpoint, args.output))


if __name__ == '__main__':
    sys.exit(command_line.run_tool(main))
