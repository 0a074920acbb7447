"""The shipped configs of ATRC: they are consistent, and the small one trains."""

import pytest
import torch
from atrc_golden import CONFIGS
from mmengine.optim import build_optim_wrapper
from mmengine.registry import DefaultScope
from toy import toy_batch

from mtl3d.apis.configuration import load_config
from mtl3d.registry import MODELS
from mtl3d.structures import LABEL_SPECS

NAMES = sorted(path.stem for path in CONFIGS.glob('*.py'))


@pytest.mark.parametrize('name', NAMES)
def test_config(name):
    cfg = load_config(CONFIGS / f'{name}.py')
    _, _, dataset = name.replace('_search', '').split('_')[:3]
    size = tuple(cfg.model.data_preprocessor.size)
    assert size == dict(nyud=(425, 560), pascal=(512, 512), synthrooms=(96, 128))[dataset]
    crop = next(step for step in cfg.train_pipeline if step.type == 'RandomCrop')
    assert (
        tuple(crop['size'])
        == size
        == tuple(
            next(s for s in cfg.train_dataloader.dataset.pipeline if s.type == 'RandomCrop')['size']
        )
    )
    assert cfg.train_dataloader.batch_size == cfg.auto_scale_lr.base_batch_size == 8
    # Auxiliary losses have the weights of the final ones, and the same balance of boundaries.
    for task, auxiliary in cfg.model.auxiliary_tasks.items():
        assert auxiliary.loss_weight == cfg.model.tasks[task].loss_weight
        own = cfg.model.tasks[task].get('positive_weight')
        assert auxiliary.get('positive_weight') == own
    if dataset != 'synthrooms':
        optimizer = cfg.optim_wrapper.optimizer.to_dict()
        lr = dict(nyud=0.01, pascal=0.005)[dataset]
        assert optimizer == dict(type='SGD', lr=lr, momentum=0.9, weight_decay=5e-4)
        assert cfg.optim_wrapper.get('clip_grad') == (
            dict(max_norm=10.0) if 'search' in name else None
        )
        assert cfg.train_cfg.max_iters == 40000
    if name.endswith('3dreg'):
        assert cfg.custom_hooks[0].end == cfg.max_iters // 2


def test_the_small_config_trains_with_the_regularizer_and_every_context():
    cfg = load_config(CONFIGS / 'atrc_hrnet18s_synthrooms_3dreg.py')
    cfg.model.decoder.genotype = dict(
        semseg=dict(semseg='t_label', depth='global', edge='local'),
        human_parts={},
        depth=dict(depth='local', normals='s_label'),
    )
    torch.manual_seed(0)
    with DefaultScope.overwrite_default_scope('mtl3d'):
        model = MODELS.build(cfg.model).train()
        wrapper = build_optim_wrapper(model, cfg.optim_wrapper)
    before = {name: parameter.clone() for name, parameter in model.named_parameters()}
    for pair in ((0, 1), (2, 3)):
        batch = toy_batch(*pair, height=96, width=128, tasks=tuple(LABEL_SPECS))
        log = model.train_step(batch, wrapper)
        assert all(torch.isfinite(value) for value in log.values())
    sources = {name.rsplit('.', 1)[0] for name in log if '.' in name}
    assert sources == {'decoder', 'decoder.regions', 'regularizer'}
    assert [name for name, p in model.named_parameters() if torch.equal(p, before[name])] == []
