"""The command line that all model converters share."""

import argparse
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from mtl3d.models.converters import convert_file
from mtl3d.models.converters.convert import StateDict

Converter = Callable[..., tuple[StateDict, dict[str, Any]]]


def convert_command(
    argv: Sequence[str] | None,
    description: str | None,
    from_official: Converter,
    to_official: Converter | None = None,
    *,
    options: Mapping[str, str] | None = None,
) -> None:
    """Parse the arguments, convert a checkpoint and print every tensor's old and new name.

    Args:
        argv: The arguments; those of the process if None.
        description: For ``--help``.
        from_official: Turns the published weights into ours.
        to_official: The way back, offered as ``--reverse`` where there is one.
        options: Further keyword arguments of ``from_official`` -> their help; each becomes an
            option of the command.

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
    for name, text in (options or {}).items():
        parser.add_argument(f'--{name}', help=text)
    args = parser.parse_args(argv)
    chosen = {name: getattr(args, name) for name in options or {} if getattr(args, name)}
    convert = partial(from_official, **chosen)
    if to_official is not None and args.reverse:
        convert = partial(to_official)
    print(convert_file(args.checkpoint, args.out, convert))
