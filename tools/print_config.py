#!/usr/bin/env python
"""Print a config with its base files merged in, or only check it; writes nothing."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from mtl3d.apis import command_line


def main(argv: Sequence[str] | None = None) -> None:
    """Parse the arguments and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('config', type=command_line.input_file, help='config file')
    parser.add_argument('--check', action='store_true', help='print only whether it is valid')
    command_line.add_common_arguments(parser)
    args = parser.parse_args(argv)

    # Torch takes seconds to import; a wrong path has been reported by now.
    from mtl3d.apis.configuration import load_config

    cfg = load_config(args.config, args.cfg_options)
    print(f'{args.config}: valid' if args.check else cfg.pretty_text)


if __name__ == '__main__':
    sys.exit(command_line.run_tool(main))
