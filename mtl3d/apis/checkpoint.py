"""Finding, checking and describing checkpoint files."""

import hashlib
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from mtl3d.engine.hooks.atomic_checkpoint_hook import LAST_CHECKPOINT
from mtl3d.utils.compat import load_checkpoint_file

REGULARIZER = 'regularizer.'


def find_checkpoint(work_dir: str | Path) -> Path:
    """Find the checkpoint of a work dir to resume from.

    Args:
        work_dir: The folder of a run; it may have been moved since.

    Returns:
        The file that ``last_checkpoint`` names, or else the one with the most iterations.

    Raises:
        FileNotFoundError: There is none.
    """
    folder = Path(work_dir)
    pointer = folder / LAST_CHECKPOINT
    if pointer.is_file():
        named = folder / Path(pointer.read_text().strip()).name
        if named.is_file():
            return named
    numbered = [
        (int(match[1]), path)
        for path in folder.glob('iter_*.pth')
        if (match := re.fullmatch(r'iter_(\d+)\.pth', path.name))
    ]
    if not numbered:
        raise FileNotFoundError(f'Nothing to resume: {folder} has no checkpoint')
    return max(numbered)[1]


def state_dict_of(checkpoint: Mapping[str, Any]) -> Mapping[str, Tensor]:
    """Take the weights out of a checkpoint, which may be nothing but weights."""
    return checkpoint.get('state_dict', checkpoint)


def check_state_dict(
    model: nn.Module, state: Mapping[str, Tensor], *, source: str | Path, ignore: str | None = None
) -> None:
    """Refuse weights that do not fit a model exactly.

    Args:
        model: The model, not wrapped.
        state: Name -> tensor.
        source: Where the weights come from, for the message.
        ignore: Names with this prefix need not agree.

    Raises:
        ValueError: Names are missing, left over or of another shape; the message lists the first.
    """
    own = model.state_dict()

    def relevant(names: set[str]) -> list[str]:
        return sorted(name for name in names if not (ignore and name.startswith(ignore)))

    both = relevant(own.keys() & state.keys())
    differing = [
        f'{name} {tuple(state[name].shape)} instead of {tuple(own[name].shape)}'
        for name in both
        if state[name].shape != own[name].shape
    ]
    problems = {
        'missing': relevant(own.keys() - state.keys()),
        'unexpected': relevant(state.keys() - own.keys()),
        'of another shape': differing,
    }
    parts = [
        f'{len(names)} {kind} ({", ".join(names[:3])}{", ..." if len(names) > 3 else ""})'
        for kind, names in problems.items()
        if names
    ]
    if parts:
        raise ValueError(
            f'Checkpoint {source} is of another architecture: {"; ".join(parts)}. Use the config '
            'it was trained with; a copy lies in its work dir'
        )


def drop_regularizer(model: nn.Module) -> None:
    """Let a model without a regularizer take the weights of one that was trained with it.

    Args:
        model: The model, not wrapped; weights loaded from now on are affected.
    """

    def drop(module: nn.Module, state: dict[str, Tensor], prefix: str, *_: Any) -> None:
        for name in [name for name in state if name.startswith(prefix + REGULARIZER)]:
            del state[name]

    model.register_load_state_dict_pre_hook(drop)


def sha256(path: str | Path) -> str:
    """Compute the SHA-256 of a file, as 64 hexadecimal digits."""
    digest = hashlib.sha256()
    with open(path, 'rb') as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def load_weights(path: str | Path) -> dict[str, Tensor]:
    """Read only the weights of a checkpoint file, on the CPU.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: It is damaged, or holds no weights.
    """
    content = load_checkpoint_file(path)
    state = state_dict_of(content) if isinstance(content, Mapping) else None
    if not state or not all(isinstance(value, Tensor) for value in state.values()):
        raise ValueError(f'Checkpoint {path} holds no state dict of tensors')
    return dict(state)
