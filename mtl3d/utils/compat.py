"""Work-arounds for the libraries below us. Each says when it can be deleted, and has a test."""

import atexit
import importlib
import os
import pickle
import sys
import warnings
from pathlib import Path
from typing import Any

import torch
from mmengine.config import Config
from mmengine.runner import CheckpointLoader

_torchvision_operators: torch.library.Library | None = None


def ensure_torchvision() -> None:
    """Make ``import torchvision`` work where its compiled operators do not match torch.

    A CPU build of torch beside the CUDA build of torchvision (what pip finds first) fails with
    ``operator torchvision::nms does not exist``; timm and MMEngine's environment report import
    torchvision. Nothing here runs these operators, so declaring them is enough. Call it before
    either is imported.

    Delete when torchvision imports without its compiled operators.
    """
    global _torchvision_operators
    try:
        import torchvision  # noqa: F401
    except ModuleNotFoundError:
        return
    except RuntimeError as error:
        if 'torchvision::' not in str(error):
            raise
    else:
        return
    for name in [name for name in sys.modules if name.split('.')[0] == 'torchvision']:
        del sys.modules[name]
    # The library lives as long as this reference.
    _torchvision_operators = torch.library.Library('torchvision', 'FRAGMENT')
    for operator in ('nms', 'qnms'):
        _torchvision_operators.define(
            f'{operator}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor'
        )
    importlib.import_module('torchvision')


def ignore_ddp_warnings() -> None:
    """Leave out two warnings about distributed training that users can do nothing about.

    MMEngine passes ``broadcast_buffers``, which new versions of torch call deprecated. And torch
    says that a gradient's strides are not its bucket's where they differ only in a dimension of
    size 1, as those of a depthwise convolution do, for which any stride is right.

    Delete when MMEngine passes ``forward_sync_buffers``, and torch leaves such dimensions out of
    the comparison.
    """
    for message in ('`broadcast_buffers` is deprecated', 'Grad strides do not match'):
        warnings.filterwarnings('ignore', message=message)


def setup_cpu_dist(cfg: Config) -> None:
    """Let several processes train on a machine without GPUs, over gloo.

    MMEngine's start-up calls ``torch.cuda.set_device`` for every backend, and hands
    ``DistributedDataParallel`` a device id, which CPU modules refuse. Does nothing for one process
    or where there is a GPU.

    Delete when MMEngine starts gloo without CUDA.

    Args:
        cfg: The merged config with its ``launcher``; ``env_cfg`` and ``model_wrapper_cfg`` are set.

    Raises:
        ValueError: The launcher cannot work without a GPU.
    """
    if cfg.get('launcher', 'none') == 'none' or torch.cuda.is_available():
        return
    if cfg.launcher != 'pytorch':
        raise ValueError(
            f"launcher='{cfg.launcher}' needs GPUs; on a CPU start with tools/dist_train.sh"
        )
    if not torch.distributed.is_initialized():
        torch.distributed.init_process_group('gloo')  # the Runner then skips its own start-up
    cfg.merge_from_dict(dict(env_cfg=dict(dist_cfg=dict(backend='gloo'))))
    cfg.model_wrapper_cfg = dict(
        type='MMDistributedDataParallel',
        device_ids=None,
        broadcast_buffers=False,
        find_unused_parameters=cfg.get('find_unused_parameters', False),
    )


def end_process(status: int) -> None:
    """End one of several CPU processes at once; return where there is only one, or a GPU.

    While Python takes itself apart, threads of torch that are still at work abort the process now
    and then ("terminate called without an active exception"). What was registered to be done at
    the end is done before.

    Delete with :func:`setup_cpu_dist`.

    Args:
        status: The exit status.
    """
    dist = torch.distributed
    if not dist.is_initialized() or dist.get_backend() != 'gloo':
        return
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


def load_checkpoint_file(path: str | Path, map_location: Any = 'cpu') -> dict[str, Any]:
    """Read a checkpoint without ever unpickling code.

    Args:
        path: A local file.
        map_location: As for ``torch.load``.

    Returns:
        What the file holds.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: The file is damaged, or holds more than tensors and plain values.
    """
    path = Path(path).expanduser()
    if not path.is_file():
        raise FileNotFoundError(f'Checkpoint {path} does not exist')
    try:
        return torch.load(path, map_location=map_location, weights_only=True)
    except MemoryError:
        raise
    except pickle.UnpicklingError:
        raise ValueError(
            f'Checkpoint {path} was refused: it is damaged, or it holds more than tensors and '
            'plain values, and unpickling it could run any code'
        ) from None
    except Exception as error:  # the bytes of a damaged file decide which
        reason = f'{type(error).__name__}: {error}'.splitlines()[0].split('. ')[0]
        raise ValueError(f'Checkpoint {path} cannot be read, is it complete? ({reason})') from error


def load_checkpoint_url(url: str, map_location: Any = 'cpu') -> dict[str, Any]:
    """Download a checkpoint into torch's cache and read it without ever unpickling code."""
    return torch.hub.load_state_dict_from_url(url, map_location=map_location, weights_only=True)


def refuse_pickles() -> None:
    """Make every checkpoint that MMEngine loads pass through the safe loaders above.

    MMEngine 0.10 leaves ``weights_only`` to torch's default (False before torch 2.6), and the
    pre-releases of 0.11 pass False.

    Delete when MMEngine passes ``weights_only=True`` and torch < 2.6 is not supported.
    """
    CheckpointLoader.register_scheme('', load_checkpoint_file, force=True)
    CheckpointLoader.register_scheme(('http://', 'https://'), load_checkpoint_url, force=True)
