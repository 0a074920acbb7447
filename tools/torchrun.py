"""torchrun, for tools/dist_*.sh, without its pages of report when a process fails: that process has
said in one line what is wrong. Only of one that was killed it is said here."""

import logging
import signal
import sys

from torch.distributed.elastic.multiprocessing.api import SignalException
from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
from torch.distributed.run import main

if __name__ == '__main__':
    for name in ('agent.server.api', 'multiprocessing.api'):  # which processes failed or were ended
        logging.getLogger(f'torch.distributed.elastic.{name}').setLevel(logging.CRITICAL)
    try:
        main()
    except ChildFailedError as error:
        rank, failure = error.get_first_failure()
        if failure.exitcode < 0:
            name = signal.Signals(-failure.exitcode).name
            print(f'torchrun.py: error: process {rank} was ended by {name}', file=sys.stderr)
        sys.exit(failure.exitcode if failure.exitcode > 0 else 128 - failure.exitcode)
    except SignalException as error:
        sys.exit(128 + error.sigval)
