"""What MMEngine's Runner needs beside the model: hooks, optimisation, safe files."""

from mtl3d.engine import hooks, optim
from mtl3d.engine.atomic_backend import AtomicBackend
from mtl3d.engine.brief_runner import BriefRunner
from mtl3d.engine.multi_task_log_processor import MultiTaskLogProcessor
from mtl3d.utils.compat import refuse_pickles

__all__ = ['AtomicBackend', 'BriefRunner', 'MultiTaskLogProcessor', 'hooks', 'optim']

refuse_pickles()
