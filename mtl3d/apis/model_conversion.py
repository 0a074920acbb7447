"""The command line that all model converters share."""

import argparse
from collections.abc import Callable, Sequence
from typing import Any

from mtl3d.models.converters import convert_file
from mtl3d.models.converters.convert import StateDict

Converter = Callable[[StateDict], tuple[StateDict, dict[str, Any]]]


def convert_command(
    argv: Sequence[str] | None,
    description: str | None,
    from_official: Converter,
    to_official: Converter | None = None,
) -> None:
    """Parse the arguments, convert a checkpoint and print every tensor's old and new name.

    Args:
        argv: The arguments; those of the process if None.
        description: For ``--help``.
        from_official: Turns the published weights into ours.
        to_official: The way back, offered as ``--reverse`` where there is one.

    Raises:
        FileNotFoundError: The checkpoint or the output's folder does not exist.
        ValueError: A weight is unknown or missing.
    """
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('checkpoint', help='the checkpoint to convert')
    parser.add_argument('out', help='the file to write')
    if to_official is not None:
        parser.add_argument(
            '--reverse', action='store_true', help='convert ours to the published one'
        )
    args = parser.parse_args(argv)
    backwards = to_official is not None and args.reverse
    convert = to_official if backwards else from_official
    print(convert_file(args.checkpoint, args.out, convert))  # type: ignore[arg-type]
