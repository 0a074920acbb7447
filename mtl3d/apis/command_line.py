"""What the tools have in common: arguments, and errors that take one line."""

import argparse
import difflib
import errno
import os
import re
import sys
import threading
import time
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NoReturn

from mmengine.config import DictAction

#: Errors that tell the user what to change; anything else is a fault of ours and keeps its trace.
USER_ERRORS = (
    ValueError, KeyError, TypeError, OSError, ImportError, SyntaxError, FloatingPointError,
)  # fmt: skip
#: How torch and its data loader say that memory is short.
SHORTAGE = re.compile(
    r"can't allocate memory|[Cc]annot allocate memory|out of memory|unable to mmap|"
    r'DataLoader worker .*(signal: (Killed|Bus error)|exited unexpectedly)'
)
INTERRUPTED = 130  # what a shell reports for Ctrl-C
#: Choices of ``--outputs``. The model's ``OUTPUTS`` once more, since importing it takes seconds.
OUTPUTS = ('heads', 'regularizer', 'average', 'all')


def run_tool(
    main: Callable[[Sequence[str] | None], None], argv: Sequence[str] | None = None
) -> int:
    """Run a tool's main function and turn the user's errors into one line.

    Args:
        main: Parses its arguments and does the work.
        argv: The arguments; those of the process if None. ``--traceback`` among them shows where
            an error came from.

    Returns:
        The exit status: 0, 1 after an error, 130 after Ctrl-C.
    """
    arguments = list(sys.argv[1:] if argv is None else argv)
    show_trace = '--traceback' in arguments
    tool = Path(sys.argv[0]).name
    first_rank = int(os.environ.get('RANK', 0)) == 0
    threading.excepthook = _thread_failed
    try:
        main([argument for argument in arguments if argument != '--traceback'])
    except (KeyboardInterrupt, *USER_ERRORS, MemoryError, RuntimeError) as error:
        # MMEngine's bare excepts make another error of a Ctrl-C that comes at the wrong time.
        interrupts = [e for e in (error, error.__context__) if isinstance(e, KeyboardInterrupt)]
        if interrupts:
            if first_rank:  # the terminal interrupts all ranks
                print(f'{tool}: interrupted. {interrupts[0]}'.rstrip(), file=sys.stderr)
            return INTERRUPTED
        message = explain(error)
        if message is None:
            raise
        if show_trace:
            traceback.print_exc()
        if not first_rank:
            # All ranks usually fail for the same reason. The first one says so, and the launcher
            # ends the others while they wait.
            time.sleep(5)
        print(f'{tool}: error: {message}', file=sys.stderr)
        return 1
    return 0


def leave(status: int) -> NoReturn:
    """End a tool that may be one of several processes.

    Args:
        status: What :func:`run_tool` has returned.
    """
    if sys.modules.get('torch'):  # not after a wrong path
        from mtl3d.utils.compat import end_process

        end_process(status)
    sys.exit(status)


def explain(error: BaseException) -> str | None:
    """Say in one line what the user should change.

    Args:
        error: What was raised.

    Returns:
        The message; None for a fault of ours.
    """
    line = one_line(error)
    shortage = SHORTAGE.search(line)
    if shortage or isinstance(error, MemoryError):
        reason = line[shortage.start() if shortage else 0 :].split('. ')[0]
        return (
            f'too little memory ({reason}). Lower batch_size or num_workers of the '
            "data loader; docs/training.md lists more under 'Memory and speed'"
        )
    if isinstance(error, OSError):
        line = re.sub(r'^\[Errno \d+\] ', '', line)
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            line += '. Free some space and start again; train.py goes on with --resume'
    return line if isinstance(error, USER_ERRORS) else None


def _thread_failed(failure: threading.ExceptHookArgs) -> None:
    # Of a full disk, which stops TensorBoard's thread as well, the main thread tells.
    if getattr(failure.exc_value, 'errno', None) != errno.ENOSPC:
        threading.__excepthook__(failure)


def one_line(error: BaseException) -> str:
    """Reduce an error to its message, without the trace that a data worker packs into it."""
    message = str(error.args[0]) if isinstance(error, KeyError) and error.args else str(error)
    lines = [line.strip() for line in message.splitlines() if line.strip()]
    if not lines:
        return type(error).__name__
    if lines[0].startswith('Caught '):
        return re.sub(r'^[\w.]+: ', '', lines[-1])  # the name of the exception
    return ' '.join(lines)


class ConfigOptions(DictAction):
    """MMEngine's action for ``--cfg-options``, which names a word that is no ``KEY=VALUE``."""

    def __call__(self, parser: Any, namespace: Any, values: Any, option: str | None = None) -> None:
        """Parse the words.

        Raises:
            ValueError: A word has no ``=``.
        """
        for word in values:
            if '=' not in word:
                raise ValueError(f"{option} {word}: expected KEY=VALUE, without spaces at the '='")
        super().__call__(parser, namespace, values, option)


def add_common_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments that every tool with a config takes."""
    parser.add_argument(
        '--cfg-options',
        nargs='+',
        action=ConfigOptions,
        default={},
        metavar='KEY=VALUE',
        help='change config entries: a.b=1; list entries by index: a.0.b=1',
    )
    parser.add_argument('--traceback', action='store_true', help='show where an error came from')


def add_launch_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of tools that run on several devices."""
    parser.add_argument(
        '--work-dir', type=output_folder, metavar='DIR', help='where logs and checkpoints go'
    )
    parser.add_argument(
        '--launcher',
        choices=('none', 'pytorch', 'slurm', 'mpi'),
        default='none',
        help='how the processes were started; tools/dist_*.sh set it',
    )
    # torchrun sets the environment; older launchers pass the argument.
    parser.add_argument('--local_rank', '--local-rank', type=int, help=argparse.SUPPRESS)


def set_local_rank(local_rank: int | None) -> None:
    """Hand a local rank given as an argument to MMEngine, which reads the environment."""
    if local_rank is not None:
        os.environ.setdefault('LOCAL_RANK', str(local_rank))


def input_path(path: str) -> Path:
    """Take the path of a file or folder to be read, as an argument's ``type``.

    So a wrong one is reported at once, before the seconds that importing torch takes.

    Raises:
        FileNotFoundError: It does not exist; the message names the nearest one beside it.
    """
    found = Path(path)
    if not found.exists():
        beside = [entry.name for entry in found.parent.glob(f'*{found.suffix}')]
        close = difflib.get_close_matches(found.name, beside, n=1)
        hint = f'. Did you mean {found.with_name(close[0])}?' if close else ''
        raise FileNotFoundError(f'{path} does not exist{hint}')
    return found


def input_file(path: str) -> Path:
    """Take the path of a file to be read, as an argument's ``type``; see :func:`input_path`.

    Raises:
        FileNotFoundError: It does not exist.
        IsADirectoryError: It is a folder.
    """
    file = input_path(path)
    if file.is_dir():
        raise IsADirectoryError(f'{path} is a folder, but a file is needed')
    return file


def output_file(path: str) -> Path:
    """Take the path of a file to be written, as an argument's ``type``: its folder is made at once.

    So a place where nothing can be written is found before the work whose result goes there.

    Raises:
        OSError: The folder cannot be made, or written to, or the path is a folder itself.
    """
    file = Path(path)
    if file.is_dir():
        raise IsADirectoryError(f'cannot write {path}: it is a folder')
    output_folder(file.parent)
    return file


def output_folder(path: str | Path) -> Path:
    """Take the path of a folder to write into, as an argument's ``type``; it is made at once.

    Raises:
        OSError: The folder cannot be made, or written to.
    """
    folder = Path(path)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OSError(f'cannot make the folder {folder}: {error.strerror}') from error
    if not os.access(folder, os.W_OK):
        raise PermissionError(f'cannot write into {folder}: it is read-only')
    return folder
