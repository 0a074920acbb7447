"""From a config file to a config that is ready to build a Runner, or one clear error."""

import itertools
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from mmengine.config import Config
from mmengine.runner import Runner

from mtl3d.engine.brief_runner import BriefRunner
from mtl3d.utils.compat import (
    ensure_torchvision,
    ignore_ddp_warnings,
    refuse_pickles,
    setup_cpu_dist,
)
from mtl3d.utils.config import check_config, typed_dicts

_run_numbers = itertools.count()


def load_config(path: str | Path, options: Mapping[str, Any] | None = None) -> Config:
    """Read a config, change entries and check the result.

    Args:
        path: The config file.
        options: Dotted key -> value. ``max_iters`` changes the training length and with it every
            learning rate schedule that ends there.

    Returns:
        The merged config.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: A key, type or task name is unknown, or an option cannot be merged.
    """
    ensure_torchvision()
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f'Config {path} does not exist')
    cfg = Config.fromfile(path)
    length = cfg.get('max_iters')
    if options:
        try:
            cfg.merge_from_dict(dict(options))
        except (KeyError, TypeError) as error:  # MMEngine does not say which option it is about
            raise ValueError(f'cannot set {", ".join(options)}: {error.args[0]}') from error
    check_config(cfg)
    if length is not None and cfg.max_iters != length:
        _change_length(cfg, length)
    return cfg


def _change_length(cfg: Config, previous: int) -> None:
    """Carry a new ``max_iters`` to the places that were set from the old one.

    A schedule that would begin only after the end is left out: MMEngine refuses it.
    """
    cfg.train_cfg.max_iters = cfg.max_iters
    for scheduler in cfg.get('param_scheduler') or []:
        beyond = scheduler.get('end', 0) - previous
        if beyond in (0, 1):  # PolyLR needs one step more, see configs/_base_/schedules
            scheduler.end = cfg.max_iters + beyond
    if cfg.get('param_scheduler'):
        cfg.param_scheduler = [s for s in cfg.param_scheduler if s.get('begin', 0) < cfg.max_iters]


def prepare(cfg: Config, *, work_dir: str | Path | None = None, launcher: str = 'none') -> Config:
    """Set what depends on this machine and this call.

    Args:
        cfg: A config from :func:`load_config`; changed in place.
        work_dir: Overrides the config's; without both it is ``work_dirs/<config stem>``.
        launcher: ``none``, ``pytorch``, ``slurm`` or ``mpi``.

    Returns:
        The same config.

    Raises:
        ValueError: The launcher needs a GPU, or the environment that it promises is missing.
    """
    refuse_pickles()
    stem = Path(cfg.filename).stem if cfg.filename else 'run'
    cfg.work_dir = str(work_dir or cfg.get('work_dir') or Path('work_dirs', stem))
    cfg.launcher = launcher
    if launcher == 'pytorch' and 'RANK' not in os.environ:
        raise ValueError(
            "launcher='pytorch', but torchrun did not start this process: use tools/dist_train.sh "
            'or tools/dist_test.sh'
        )
    setup_cpu_dist(cfg)
    ignore_ddp_warnings()
    for name in ('train_dataloader', 'val_dataloader', 'test_dataloader'):
        loader = cfg.get(name)
        if loader and not loader.get('num_workers'):
            loader.pop('persistent_workers', None)  # torch refuses it without workers
    return cfg


def build_runner(cfg: Config) -> Runner:
    """Build the Runner of a config.

    MMEngine names a run by the second in which it starts, and two runs of one name in the same
    process share their log and history; so the second and later ones get a name of their own.

    Args:
        cfg: The config, ready to run.
    """
    number = next(_run_numbers)
    if number and not cfg.get('experiment_name'):
        cfg.experiment_name = f'{Path(cfg.filename or "run").stem}-{number}'
    return BriefRunner.from_cfg(cfg)


def check_data_roots(cfg: Config, loaders: Sequence[str]) -> None:
    """Refuse a missing data root before a model is built or its weights are downloaded.

    Args:
        cfg: The config.
        loaders: Which of its data loaders will be used.

    Raises:
        FileNotFoundError: A folder is missing; the message names the config key.
    """
    for loader in loaders:
        for path, part in typed_dicts(cfg.get(loader), loader):
            root = part.get('data_root')
            if root and not Path(root).expanduser().is_dir():
                raise FileNotFoundError(
                    f'{path}.data_root={str(root)!r} is not a folder. Make the data set, or name '
                    'its folder: DATA_ROOT=... in the environment for our configs, or '
                    f'--cfg-options {path}.data_root=...'
                )


def use_amp(cfg: Config, precision: str) -> None:
    """Train in mixed precision.

    Args:
        cfg: Its optimizer wrapper is changed.
        precision: ``bf16``, without loss scaling, or ``fp16``, with a dynamic loss scale.

    Raises:
        ValueError: There is no GPU, or the optimizer wrapper is one that has no mixed variant.
    """
    if not torch.cuda.is_available():
        raise ValueError(f'--amp {precision} needs a GPU; on a CPU train in float32, without --amp')
    wrapper = cfg.optim_wrapper.get('type', 'OptimWrapper')
    if wrapper not in ('OptimWrapper', 'AmpOptimWrapper'):
        raise ValueError(f"--amp replaces OptimWrapper, but the config has '{wrapper}'")
    cfg.optim_wrapper.type = 'AmpOptimWrapper'
    if precision == 'bf16':
        cfg.optim_wrapper.update(dtype='bfloat16', loss_scale=1.0)
    elif precision == 'fp16':
        cfg.optim_wrapper.update(dtype='float16', loss_scale='dynamic')
    else:
        raise ValueError(f"--amp '{precision}': valid are bf16 and fp16")


def use_auto_scale_lr(cfg: Config) -> None:
    """Scale the learning rate with the global batch size.

    Raises:
        ValueError: The config does not tell the batch size that its learning rate is meant for.
    """
    if 'base_batch_size' not in (cfg.get('auto_scale_lr') or {}):
        raise ValueError('--auto-scale-lr needs auto_scale_lr.base_batch_size in the config')
    cfg.auto_scale_lr.enable = True
