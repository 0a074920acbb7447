"""Checkpoints of tensors and plain values only, so that loading one never runs code."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from mmengine.hooks import Hook
from mmengine.logging import HistoryBuffer
from mmengine.runner import Runner

from mtl3d.registry import HOOKS


@HOOKS.register_module()
class PlainCheckpointHook(Hook):
    """Turn the log history in a checkpoint into tensors and plain values, and back on loading.

    MMEngine saves its message hub as Python objects, which ``torch.load(weights_only=True)``
    refuses; the data set's description may hold arrays.

    Delete when MMEngine saves the message hub without ``HistoryBuffer`` objects.
    """

    priority = 'VERY_LOW'  # after the hooks that add something to the checkpoint

    def before_save_checkpoint(self, runner: Runner, checkpoint: dict[str, Any]) -> None:
        """Replace what is not plain; the live message hub stays as it is."""
        hub = checkpoint['message_hub']  # a copy already
        hub['log_scalars'] = {
            name: dict(zip(('log', 'count'), map(_float_tensor, buffer.data), strict=True))
            for name, buffer in hub['log_scalars'].items()
        }
        hub['runtime_info'] = to_plain(hub['runtime_info'])
        hub['resumed_keys'] = dict(hub['resumed_keys'])
        checkpoint['meta'] = to_plain(checkpoint['meta'])

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict[str, Any]) -> None:
        """Make the log history again, where the checkpoint has one."""
        scalars = checkpoint.get('message_hub', {}).get('log_scalars', {})
        for name, entry in scalars.items():
            if isinstance(entry, Mapping):
                scalars[name] = HistoryBuffer(
                    entry['log'].cpu().numpy(), entry['count'].cpu().numpy()
                )


def _float_tensor(values: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(np.asarray(values, dtype=np.float64).copy())


def to_plain(value: Any) -> Any:
    """Turn NumPy values, wherever they hide, into Python's own.

    Args:
        value: A scalar, an array, or nested mappings and sequences of them.

    Returns:
        The same with dicts, lists, tuples, numbers, strings and tensors only.

    Raises:
        TypeError: A value has no plain form.
    """
    if isinstance(value, Mapping):
        return {key: to_plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        plain = [to_plain(item) for item in value]
        return tuple(plain) if isinstance(value, tuple) else plain
    if isinstance(value, np.ndarray | np.generic):
        return value.tolist()
    if value is None or isinstance(value, bool | int | float | str | torch.Tensor):
        return value
    raise TypeError(f'{type(value).__name__} cannot be saved in a checkpoint: {value!r}')
