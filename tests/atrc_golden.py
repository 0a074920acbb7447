"""The published ATRC program's numbers on NYUv2, and the weights that give them.

The weights follow from a rule on their names, so that only numbers need to be stored. The models
are those of the shipped configs, without pretrained weights.
"""

import json
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmengine.config import Config
from torch import Tensor, nn

from mtl3d.registry import MODELS

DATA = Path(__file__).parent / 'data' / 'atrc'
CONFIGS = Path(__file__).parents[1] / 'configs' / 'atrc'
SIZE = (105, 141)


def model_config(name: str, **decoder: Any) -> dict[str, Any]:
    """The model of a config with other settings of the decoder, or with a plainer decoder."""
    cfg = Config.fromfile(CONFIGS / f'{name}.py').model.to_dict()
    cfg['backbone']['pretrained'] = False
    if 'type' in decoder:
        return cfg | dict(decoder=decoder, auxiliary_tasks=None)
    return cfg | dict(decoder=cfg['decoder'] | decoder)


def build(name: str, **decoder: Any) -> nn.Module:
    """Build the model of a config."""
    return MODELS.build(model_config(name, **decoder))


_META: dict[str, nn.Module] = {}


def meta_model(name: str, **decoder: Any) -> nn.Module:
    """Build the model of a config without memory for its weights, once."""
    key = f'{name} {decoder}'
    if key not in _META:
        with torch.device('meta'):
            _META[key] = build(name, **decoder)
    return _META[key]


def official_shapes(searched: bool = False) -> dict[str, list[int]]:
    """Name -> shape of every tensor of the published model, or of its search."""
    shapes = json.loads((DATA / 'nyud_hrnet18.json').read_text())
    if not searched:
        return shapes
    backbone = {k: v for k, v in shapes.items() if k.startswith('backbone.')}
    return backbone | json.loads((DATA / 'search_nyud_hrnet18_head.json').read_text())


def pascal_shapes() -> dict[str, list[int]]:
    """The same for PASCAL-Context, derived from NYUv2: other tasks, and one pair less."""
    final = dict(semseg=21, human_parts=7, sal=2, normals=3, edge=1)
    regions = final | dict(normals=40, edge=2)
    shapes: dict[str, list[int]] = {}
    for name, shape in official_shapes().items():
        if name.startswith('backbone.'):
            shapes[name] = shape
        elif '.semseg.semseg.' in name:
            for target in final:
                for source in final:
                    if (target, source) != ('semseg', 'normals'):
                        shapes[name.replace('semseg.semseg', f'{target}.{source}')] = shape
        elif '.semseg.' in name and 'cp_blocks' not in name:
            for task in final:
                size = list(shape)
                if 'final_logits' in name:
                    size[0] = final[task]
                elif 'aux_logits' in name:
                    size[0] = regions[task]
                elif 'out_proj.semseg.conv' in name:
                    size[1] = 33 * (4 if task == 'semseg' else 5)
                shapes[name.replace('semseg', task)] = size
    return shapes


def fill(name: str, shape: list[int]) -> Tensor:
    """The rule by which the original was filled with weights (its fill B)."""
    if name.endswith('num_batches_tracked'):
        return torch.zeros(shape, dtype=torch.int64)
    noise = np.random.default_rng(zlib.crc32(name.encode())).standard_normal(shape)
    if name.endswith('running_var'):
        noise = 1 + 0.1 * np.abs(noise)
    elif len(shape) == 1 and name.endswith('weight'):
        noise = 1 + 0.02 * noise
    else:
        noise *= np.sqrt(2 / np.prod(shape[1:])) if len(shape) > 1 else 0.02
    return torch.from_numpy(noise.astype(np.float32))


def official_weights(shapes: Mapping[str, list[int]]) -> dict[str, Tensor]:
    """Fill the published model."""
    return {name: fill(name, shape) for name, shape in shapes.items()}


def golden_images() -> Tensor:
    """The two images of the stored numbers."""
    noise = np.random.default_rng(0).standard_normal((2, 3, *SIZE))
    return torch.from_numpy(noise.astype(np.float32))
