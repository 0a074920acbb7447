"""Files that are either whole or not there."""

import errno
import os
from pathlib import Path

from mmengine.fileio import LocalBackend, register_backend

#: Ending of a file that is being written.
UNFINISHED = '.unfinished'


@register_backend('atomic')
class AtomicBackend(LocalBackend):
    """MMEngine's local backend, with writes that a crash cannot leave half done.

    MMEngine opens the destination and writes into it, so a kill or a full disk leaves a truncated
    checkpoint in place of the previous one. Here the bytes go to a file next to it, which is
    renamed when it is complete and on the disk. Named in a config by
    ``backend_args=dict(backend='atomic')``.
    """

    def put(self, obj: bytes, filepath: str | Path) -> None:
        """Write bytes to a file, atomically.

        Args:
            obj: The bytes.
            filepath: The destination; its folder is made if it is missing.

        Raises:
            OSError: The file could not be written; what was there before is untouched.
        """
        destination = Path(filepath)
        unfinished = destination.with_name(destination.name + UNFINISHED)
        try:
            destination.parent.mkdir(parents=True, exist_ok=True)
            with open(unfinished, 'wb') as file:
                file.write(obj)
                file.flush()
                os.fsync(file.fileno())
            os.replace(unfinished, destination)
        except OSError as error:
            if unfinished.exists():
                unfinished.unlink()
            reason = 'the disk is full' if error.errno == errno.ENOSPC else error.strerror
            raise OSError(
                error.errno,
                f'{destination} was not written: {reason}. Files written earlier are untouched',
            ) from error

    def put_text(self, obj: str, filepath: str | Path, encoding: str = 'utf-8') -> None:
        """Write text to a file, atomically; see :meth:`put`."""
        self.put(obj.encode(encoding), filepath)
