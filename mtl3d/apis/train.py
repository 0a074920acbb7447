"""Training by MMEngine's Runner, with the checks that it leaves out."""

import signal
import threading
from pathlib import Path

from mmengine.config import Config
from mmengine.runner import Runner
from torch import Tensor

from mtl3d.apis.checkpoint import check_state_dict, find_checkpoint, load_weights
from mtl3d.apis.configuration import build_runner, check_data_roots
from mtl3d.utils.compat import load_checkpoint_file
from mtl3d.utils.modules import unwrapped


def train(cfg: Config, *, resume: bool | str | Path = False, validate: bool = True) -> Runner:
    """Train a model.

    Args:
        cfg: A config from :func:`mtl3d.apis.configuration.load_config`, after
            :func:`mtl3d.apis.configuration.prepare`.
        resume: True continues the run in ``cfg.work_dir``; a path continues from that checkpoint.
        validate: Evaluate as often as the config says.

    Returns:
        The Runner, after training.

    Raises:
        FileNotFoundError: No data, or nothing to resume from.
        ValueError: The checkpoint is of another architecture, or cannot be resumed from.
        FloatingPointError: A loss is not finite.
        KeyboardInterrupt: After Ctrl-C; the message says how to continue.
    """
    if not validate:
        cfg.update(val_cfg=None, val_dataloader=None, val_evaluator=None)
        cfg.default_hooks.checkpoint.save_best = None
    check_accumulation(cfg)
    weights = None
    if resume:
        cfg.load_from = str(find_checkpoint(cfg.work_dir) if resume is True else resume)
        cfg.resume = True
        weights = resumable_weights(cfg.load_from)
    elif cfg.get('load_from') and '://' not in cfg.load_from:
        load_weights(cfg.load_from)  # refuses a damaged file before data and model are built
    check_data_roots(cfg, ['train_dataloader', 'val_dataloader'])
    runner = build_runner(cfg)
    if weights is not None:
        check_state_dict(unwrapped(runner.model), weights, source=cfg.load_from)
    on_interrupt = signal.getsignal(signal.SIGINT)  # InterruptHook changes it
    try:
        runner.train()
    except KeyboardInterrupt:
        raise KeyboardInterrupt(_how_to_continue(runner)) from None
    finally:
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGINT, on_interrupt)
    return runner


def resumable_weights(path: str | Path) -> dict[str, Tensor]:
    """Read the weights of a checkpoint that training can go on from.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: It is damaged, or has no training state.
    """
    checkpoint = load_checkpoint_file(path)
    if 'optimizer' not in checkpoint:
        raise ValueError(
            f'Checkpoint {path} has no training state to resume. To start from its weights, use '
            f'--cfg-options load_from={path}'
        )
    return checkpoint['state_dict']


def check_accumulation(cfg: Config) -> None:
    """Refuse checkpoints between two optimizer steps: the summed gradient is not saved.

    Raises:
        ValueError: The checkpoint interval is not a multiple of the accumulated iterations.
    """
    steps = cfg.optim_wrapper.get('accumulative_counts', 1)
    interval = cfg.get('default_hooks', {}).get('checkpoint', {}).get('interval', steps)
    if interval > 0 and interval % steps:
        raise ValueError(
            f'default_hooks.checkpoint.interval={interval} is not a multiple of '
            f'optim_wrapper.accumulative_counts={steps}: a resumed run would lose a gradient'
        )


def _how_to_continue(runner: Runner) -> str:
    try:
        checkpoint = find_checkpoint(runner.work_dir)
    except FileNotFoundError:
        return f'No checkpoint had been written after {runner.iter} iterations.'
    return f'Continue from {checkpoint} with --resume.'
