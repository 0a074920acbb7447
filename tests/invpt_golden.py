"""The published InvPT program's numbers for ViT-B on NYUv2, and the weights that give them.

The weights follow from a rule on their names, so that only numbers need to be stored.
"""

import json
import re
import zlib
from pathlib import Path

import numpy as np
import torch
from mmengine.config import Config
from torch import Tensor, nn

from mtl3d.models.converters.invpt import from_official
from mtl3d.registry import MODELS

DATA = Path(__file__).parent / 'data' / 'invpt'
CONFIGS = Path(__file__).parents[1] / 'configs' / '_base_'
#: What the published code numbers by the task.
NUMBERED = r'(patch_embed|conv_proj_q|redu_chan\.\d)\.'
SIZES = {'nyud': (448, 576), 'pascal': (512, 512)}


def official_shapes() -> dict[str, list[int]]:
    """Name -> shape of every tensor of the published model."""
    return json.loads((DATA / 'invpt_nyud_vitb.json').read_text())


def derived_shapes(backbone: str, dataset: str) -> dict[str, list[int]]:
    """The same of another published model, derived from what is stored, by what differs.

    The tasks in the published order with their channels, the numbers that stand for tasks, the
    widths of norms over all tasks; the backbone's blocks, widths and positions.
    """
    channels = dict(nyud=(40, 1, 3, 1), pascal=(21, 7, 2, 3, 1))[dataset]
    names = dict(nyud='depth normals edge', pascal='human_parts sal normals edge')[dataset]
    tasks = dict(zip(('semseg', *names.split()), channels, strict=True))
    blocks, widths = 12, {}
    if backbone == 'vitl':
        blocks, widths = 24, {768: 1024, 2304: 3072, 3072: 4096}
    shapes: dict[str, list[int]] = {}
    for name, shape in official_shapes().items():
        of_backbone = name.startswith('backbone.') or '.scale_embed.' in name
        if of_backbone or '.preliminary_decoder.' in name:
            shape = [widths.get(size, size) for size in shape]
        if 'pos_embed' in name:
            shape[1] = 1 + dict(nyud=28 * 36, pascal=32 * 32)[dataset]
        if '.norm_mt' in name:
            shape = [size // 4 * len(tasks) for size in shape]
        if re.search(rf'\.(depth|normals|edge)\.|{NUMBERED}[123]\.', name):
            continue  # as those of the first task
        if '.semseg.' in name:
            for task, count in tasks.items():
                sizes = {40: count, 552: 512 + count}
                shapes[name.replace('semseg', task)] = [sizes.get(size, size) for size in shape]
        elif re.search(rf'{NUMBERED}0\.', name):
            for index in range(len(tasks)):
                shapes[re.sub(rf'{NUMBERED}0\.', rf'\g<1>.{index}.', name)] = shape
        elif name.startswith('backbone.blocks.'):
            for index in range(blocks):
                shapes[re.sub(r'blocks\.\d+', f'blocks.{index}', name)] = shape
        else:
            shapes[name] = shape
    return shapes


def official_weights(sensitive: bool) -> dict[str, Tensor]:
    """Fill the published model; ``sensitive`` enlarges what the attention depends on."""
    return {k: _fill(k, shape, sensitive) for k, shape in official_shapes().items()}


def _fill(name: str, shape: list[int], sensitive: bool) -> Tensor:
    if name.endswith('num_batches_tracked'):
        return torch.zeros(shape, dtype=torch.int64)
    noise = np.random.default_rng(zlib.crc32(name.encode())).standard_normal(shape)
    if name.endswith('running_var'):
        noise = 0.1 * np.abs(noise) + 1
    elif name.endswith('weight') and len(shape) == 1:
        noise = 1 + 0.02 * noise
    else:
        noise = 0.02 * noise
    factor = _sensitive_factor(name) if sensitive else 1
    return torch.from_numpy(np.asarray(noise, np.float32) * np.float32(factor))


def _sensitive_factor(name: str) -> int:
    if name.startswith('backbone.blocks.') and name.endswith('attn.qkv.weight'):
        return 3
    if not name.startswith('multi_task_decoder.invpt.invpt_stages.'):
        return 1
    if '.conv_proj_q.' in name and name.endswith('.conv.weight'):
        return 15
    if name.endswith(('attn.proj_q.weight', 'attn.proj_k.weight', 'attn.proj_v.weight')):
        return 4
    return 40 if name.endswith('fuse_attn.weight') else 1


def model_config(backbone: str, dataset: str) -> dict:
    """The model of the shipped configs, without pretrained weights."""
    cfg = Config.fromfile(CONFIGS / 'models' / f'invpt_{backbone}.py').model
    cfg.backbone.update(pretrained=False, img_size=SIZES[dataset])
    cfg.tasks = Config.fromfile(CONFIGS / 'tasks' / f'{dataset}.py').tasks
    return cfg


def golden_model(sensitive: bool) -> nn.Module:
    """ViT-B for NYUv2 with the converted weights, in evaluation mode."""
    with torch.device('meta'):  # no time for initial values that are overwritten at once
        model = MODELS.build(model_config('vitb', 'nyud'))
    weights, _ = from_official(official_weights(sensitive))
    model.load_state_dict(weights, strict=True, assign=True)
    return model.eval()


def golden_images(count: int) -> Tensor:
    """The random images that all numbers belong to, ``(count, 3, 448, 576)``."""
    noise = np.random.default_rng(0).standard_normal((count, 3, *SIZES['nyud']))
    return torch.from_numpy(noise.astype(np.float32))
