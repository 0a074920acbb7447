"""Measure a part of mtl3d on this machine: ``benchmark.py NAME``, a module of benchmarks/."""

import argparse
import sys
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from mtl3d.apis.command_line import run_tool

NAMES = sorted(path.stem for path in (ROOT / 'tools' / 'benchmarks').glob('[!_]*.py'))


def main(argv: Sequence[str] | None = None) -> None:
    """Run one benchmark; only its own module is imported."""
    words = list(sys.argv[1:] if argv is None else argv)
    parser = argparse.ArgumentParser(description=__doc__)
    commands = parser.add_subparsers(dest='name', required=True)
    chosen = None
    for name in NAMES:
        # Its options come with its module, which may need packages that the others do not.
        command = commands.add_parser(name)
        if words[:1] == [name]:
            chosen = import_module(f'tools.benchmarks.{name}')
            command.description = chosen.__doc__
            chosen.add_arguments(command)
    args = parser.parse_args(words)
    if chosen is not None:
        chosen.run(args)


if __name__ == '__main__':
    sys.exit(run_tool(main))
