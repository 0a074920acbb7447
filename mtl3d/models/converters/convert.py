"""What all converters share."""

import hashlib
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from mtl3d.utils.compat import load_checkpoint_file

StateDict = dict[str, Tensor]


def weights_of_checkpoint(checkpoint: Mapping[str, Any]) -> StateDict:
    """Take the weights out of a training checkpoint.

    Args:
        checkpoint: The state dict itself, or a dict that holds it under ``state_dict`` or
            ``model``. A leading ``module.`` (of DistributedDataParallel) is dropped.

    Returns:
        Name -> tensor.

    Raises:
        ValueError: There are no weights in it.
    """
    for key in ('state_dict', 'model'):
        if isinstance(checkpoint.get(key), Mapping):
            checkpoint = checkpoint[key]
    weights = {name.removeprefix('module.'): tensor for name, tensor in checkpoint.items()}
    strange = [name for name, tensor in weights.items() if not isinstance(tensor, Tensor)]
    if strange or not weights:
        raise ValueError(f'This is no checkpoint with weights: it holds {strange[:5] or "nothing"}')
    return weights


def rename(weights: Mapping[str, Tensor], modules: Mapping[str, str]) -> StateDict:
    """Rename every weight by its module's name.

    Args:
        weights: Name -> tensor. A name is a module's name, a dot, and the parameter's own name.
        modules: The other program's module name -> ours. An entry that ends in ``.*`` renames a
            whole subtree.

    Returns:
        Our name -> tensor, in the order of ``weights``.

    Raises:
        ValueError: A weight belongs to no module of the table, or a module has no weight.
    """
    subtrees = {name[:-1]: ours[:-1] for name, ours in modules.items() if name.endswith('.*')}
    renamed: StateDict = {}
    unused = set(modules)
    unknown = []
    for name, tensor in weights.items():
        module, _, parameter = name.rpartition('.')
        root = next((root for root in subtrees if name.startswith(root)), None)
        if module in modules:
            renamed[f'{modules[module]}.{parameter}'] = tensor
            unused.discard(module)
        elif root is not None:
            renamed[subtrees[root] + name.removeprefix(root)] = tensor
            unused.discard(f'{root}*')
        else:
            unknown.append(name)
    if unknown or unused:
        raise ValueError(
            'The checkpoint does not have the expected structure. '
            f'{len(unknown)} unknown weights: {", ".join(sorted(unknown)[:8]) or "none"}. '
            f'{len(unused)} modules without weights: {", ".join(sorted(unused)[:8]) or "none"}.'
        )
    return renamed


def convert_file(
    source: str | Path,
    target: str | Path,
    convert: Callable[[StateDict], tuple[StateDict, dict[str, Any]]],
) -> str:
    """Convert a checkpoint file and write a tensors-only one.

    Args:
        source: The other program's checkpoint; it is read without unpickling code.
        target: The file to write, as ``dict(state_dict=..., meta=...)``.
        convert: Turns weights into our weights and a description.

    Returns:
        A report: every renamed weight, their number, and the first 8 digits of the new file's
        SHA-256.

    Raises:
        FileNotFoundError: ``source`` does not exist, or ``target``'s folder.
        ValueError: The checkpoint cannot be read or does not fit.
    """
    target = Path(target)
    if not target.parent.is_dir():
        raise FileNotFoundError(f'The folder {target.parent} does not exist')
    weights = weights_of_checkpoint(load_checkpoint_file(source))
    converted, meta = convert(weights)
    partial = target.with_name(target.name + '.partial')
    torch.save(dict(state_dict=converted, meta=meta), partial)
    os.replace(partial, target)
    origin = {id(tensor): name for name, tensor in weights.items()}
    lines = [f'{origin.get(id(t), "(several, joined)")} -> {new}' for new, t in converted.items()]
    digest = hashlib.sha256(target.read_bytes()).hexdigest()[:8]
    lines.append(f'{len(converted)} tensors -> {target} (sha256 {digest}), {meta}')
    return '\n'.join(lines)
