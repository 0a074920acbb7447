"""Pretrained weights from files, and position embeddings for another grid."""

import math
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from mtl3d.utils.compat import load_checkpoint_file

#: Words under which training programs put the weights into a checkpoint.
CHECKPOINT_KEYS = ('state_dict', 'model', 'teacher')


def resize_position_embedding(embedding: Tensor, grid: Sequence[int], prefix: int) -> Tensor:
    """Resize position embeddings to another grid of patches: bicubic, without antialiasing.

    Args:
        embedding: ``(1, prefix + n, C)``. If its length differs from the wanted one, or n is a
            square number, the patches are taken to lie on a square grid.
        grid: Wanted (rows, columns).
        prefix: Number of leading entries (of class and register tokens), which are copied.

    Returns:
        ``(1, prefix + rows * columns, C)``, of the input's dtype.

    Raises:
        ValueError: The patches do not lie on a square grid.
    """
    count = embedding.shape[1] - prefix
    side = math.isqrt(max(count, 0))
    if side * side != count:
        if count == grid[0] * grid[1]:
            return embedding
        raise ValueError(
            f'A position embedding of {embedding.shape[1]} entries, {prefix} of them not of '
            'patches, is not of a square grid'
        )
    if tuple(grid) == (side, side):
        return embedding
    patches = embedding[:, prefix:].float().transpose(1, 2).unflatten(2, (side, side))
    patches = F.interpolate(patches, size=tuple(grid), mode='bicubic', align_corners=False)
    patches = patches.flatten(2).transpose(1, 2).to(embedding.dtype)
    return torch.cat([embedding[:, :prefix], patches], dim=1)


def read_weights(path: Path) -> dict[str, Tensor]:
    """Read a state dict in timm's naming; nothing is unpickled.

    Args:
        path: A ``.npz`` file of AugReg ViT weights, a ``.safetensors`` file, or a PyTorch
            checkpoint (the state dict itself, or under ``state_dict``, ``model`` or ``teacher``; a
            leading ``module.`` is dropped).

    Returns:
        Name -> tensor.

    Raises:
        FileNotFoundError: There is no such file.
    """
    if not path.expanduser().is_file():
        raise FileNotFoundError(f"pretrained='{path}': no such file")
    path = path.expanduser()
    if path.suffix == '.npz':
        with np.load(path) as arrays:
            return augreg_to_timm(arrays)
    if path.suffix == '.safetensors':
        from safetensors.torch import load_file  # comes with timm

        return load_file(path)
    state = load_checkpoint_file(path)
    for key in CHECKPOINT_KEYS:
        if isinstance(state.get(key), Mapping):
            state = state[key]
    return {name.removeprefix('module.'): tensor for name, tensor in state.items()}


def augreg_to_timm(arrays: Mapping[str, np.ndarray]) -> dict[str, Tensor]:
    """Rename and reorder the weights of a ViT from the Vision Transformer (JAX) repository.

    Linear kernels are stored as (in, out), split into heads; the patch projection as (row, column,
    in, out).

    Args:
        arrays: The arrays of the file, for instance of Steiner et al., "How to train your ViT?",
            2021.

    Returns:
        Name in timm -> float tensor; without the classifier.
    """

    def tensor(name: str) -> Tensor:
        return torch.from_numpy(np.asarray(arrays[name], dtype=np.float32))

    def norm(ours: str, theirs: str) -> dict[str, Tensor]:
        return {
            f'{ours}.weight': tensor(f'{theirs}/scale'),
            f'{ours}.bias': tensor(f'{theirs}/bias'),
        }

    def linear(ours: str, theirs: str) -> dict[str, Tensor]:
        return {
            f'{ours}.weight': tensor(f'{theirs}/kernel').T.contiguous(),
            f'{ours}.bias': tensor(f'{theirs}/bias'),
        }

    state = {
        'cls_token': tensor('cls'),
        'pos_embed': tensor('Transformer/posembed_input/pos_embedding'),
        'patch_embed.proj.weight': tensor('embedding/kernel').permute(3, 2, 0, 1).contiguous(),
        'patch_embed.proj.bias': tensor('embedding/bias'),
    } | norm('norm', 'Transformer/encoder_norm')
    width = state['cls_token'].shape[-1]
    for block in sorted({name.split('/')[1] for name in arrays if 'encoderblock_' in name}):
        theirs = f'Transformer/{block}'
        ours = f'blocks.{re.sub("[^0-9]", "", block)}'
        attention = f'{theirs}/MultiHeadDotProductAttention_1'
        parts = [f'{attention}/{part}' for part in ('query', 'key', 'value')]
        kernels = [tensor(f'{part}/kernel').reshape(width, width).T for part in parts]
        biases = [tensor(f'{part}/bias').flatten() for part in parts]
        state |= {
            f'{ours}.attn.qkv.weight': torch.cat(kernels),
            f'{ours}.attn.qkv.bias': torch.cat(biases),
            f'{ours}.attn.proj.weight': tensor(f'{attention}/out/kernel').reshape(width, width).T,
            f'{ours}.attn.proj.bias': tensor(f'{attention}/out/bias'),
        }
        state |= norm(f'{ours}.norm1', f'{theirs}/LayerNorm_0')
        state |= norm(f'{ours}.norm2', f'{theirs}/LayerNorm_2')
        state |= linear(f'{ours}.mlp.fc1', f'{theirs}/MlpBlock_3/Dense_0')
        state |= linear(f'{ours}.mlp.fc2', f'{theirs}/MlpBlock_3/Dense_1')
    return state
