"""Train configs one after another in one of two processes, and compare the processes.

torchrun starts it: ``two_processes.py CONFIG...``, with the data in DATA_ROOT. The first process
prints a line of JSON per config.
"""

import json
import sys

import torch
from mmengine.dataset import pseudo_collate
from mmengine.dist import all_gather, get_rank, is_main_process
from mmengine.optim import build_optim_wrapper
from torch.nn.utils import parameters_to_vector

from mtl3d.apis.configuration import load_config, prepare
from mtl3d.registry import DATASETS, MODEL_WRAPPERS, MODELS

#: A sixth of the pixels of the shipped configs.
SIZE = (32, 64)


def train_briefly(path: str) -> dict:
    """Make two steps of two images per process; returns all losses, and whether weights agree."""
    cfg = prepare(load_config(path), launcher='pytorch')
    cfg.model.data_preprocessor.size = SIZE
    if 'img_size' in cfg.model.backbone:
        cfg.model.backbone.img_size = SIZE
    if 'Encoder' in cfg.model.backbone.type:  # these take time and memory per task
        cfg.model.tasks = dict(list(cfg.model.tasks.items())[:2])
    for transform in cfg.train_pipeline:
        if transform.type == 'RandomCrop':
            transform.size = SIZE
    dataset = DATASETS.build(cfg.train_dataloader.dataset | dict(pipeline=cfg.train_pipeline))
    torch.manual_seed(get_rank())  # the first process's weights must win
    model = MODELS.build(cfg.model)
    wrapper = MODEL_WRAPPERS.build(cfg.model_wrapper_cfg | dict(module=model)).train()
    optim_wrapper = build_optim_wrapper(model, cfg.optim_wrapper)
    losses = []
    for step in range(2):
        first = 4 * step + 2 * get_rank()
        batch = pseudo_collate([dataset[first], dataset[first + 1]])
        losses.append(wrapper.train_step(batch, optim_wrapper)['loss'].detach())
    weights = all_gather(parameters_to_vector(model.parameters()).detach())
    return dict(
        config=path,
        losses=[each.tolist() for each in all_gather(torch.stack(losses))],
        same_weights=torch.equal(*weights),
    )


if __name__ == '__main__':
    torch.set_num_threads(1)
    for config in sys.argv[1:]:
        result = train_briefly(config)
        if is_main_process():
            print(json.dumps(result), flush=True)
