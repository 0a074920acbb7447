"""MMEngine's Runner with a console that shows the run, not the preamble."""

import logging
from typing import Any

from mmengine.logging import MMLogger
from mmengine.runner import Runner

from mtl3d.registry import RUNNERS

#: How the messages begin that MMEngine writes before the first iteration whatever the run is: long
#: reports, and remarks about its own parts.
PREAMBLE = (
    '\n' + '-' * 60 + '\nSystem environment',
    'Config:\n',
    'Hooks will be executed',
    'Distributed training is not used, all SyncBatchNorm',
    '"FileClient" will be deprecated',
    '"HardDiskBackend" is the alias',
)


@RUNNERS.register_module()
class BriefRunner(Runner):
    """A Runner that leaves what is no news of the run, such as the config, out of the console.

    They are in the log file, in full.
    """

    def build_logger(self, *args: Any, **kwargs: Any) -> MMLogger:
        """Build MMEngine's logger and shorten what its console handler shows."""
        logger = super().build_logger(*args, **kwargs)
        for handler in logger.handlers:
            if not isinstance(handler, logging.FileHandler):
                handler.addFilter(is_no_preamble)
        return logger


def is_no_preamble(record: logging.LogRecord) -> bool:
    """Tell whether a log record is news of this run."""
    return not record.getMessage().startswith(PREAMBLE)
