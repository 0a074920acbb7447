#!/usr/bin/env python
"""Reduce a checkpoint to its weights, under a name that carries their checksum."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from mtl3d.apis import command_line


def main(argv: Sequence[str] | None = None) -> None:
    """Parse the arguments and publish."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('checkpoint', type=command_line.input_file, help='checkpoint file')
    parser.add_argument(
        'output', type=command_line.output_file, help='NAME.pth; becomes NAME-<checksum>.pth'
    )
    parser.add_argument('--traceback', action='store_true', help='show where an error came from')
    args = parser.parse_args(argv)

    # Torch takes seconds to import; a wrong path has been reported by now.
    from mtl3d.apis.export import publish

    print(publish(args.checkpoint, args.output))


if __name__ == '__main__':
    sys.exit(command_line.run_tool(main))
