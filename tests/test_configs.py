"""Every config: it passes the checks, has the agreed name, and its model builds; the tiny train."""

import re
from pathlib import Path
from typing import Any

import pytest
import torch
from mmengine.optim import build_optim_wrapper
from toy import toy_batch

from mtl3d.apis.configuration import load_config
from mtl3d.models import multi_task_model
from mtl3d.registry import MODELS
from mtl3d.utils.weights import without_pretrained

ROOT = Path(__file__).parents[1]
CONFIGS = sorted(
    path.relative_to(ROOT)
    for path in (*ROOT.glob('configs/[a-z]*/*.py'), *ROOT.glob('projects/*/configs/*.py'))
)
METHODS = (
    'invpt', 'mtinet', 'atrc', 'atrc_search', 'padnet', 'pap', 'psd', 'crossstitch', 'mtan',
    'astmt', 'vanilla', 'single',
)  # fmt: skip
BACKBONES = (
    'vitl', 'vitb', 'vits', 'vitt', 'hrnet48', 'hrnet18s', 'resnet18', 'resnet50', 'seresnet26',
    'seresnet50', 'seresnet101', 'swinl', 'dinov2l', 'dinov3l', 'radiol',
)  # fmt: skip
DATA = ('nyud', 'nyudvideo', 'pascal', 'synthrooms')
NAME = re.compile(
    f'({"|".join(METHODS)})_({"|".join(BACKBONES)})_({"|".join(DATA)})' + r'((?:_[0-9a-z]+)*)'
)
#: Small enough to train in a test: one per method, with the regularizer where there can be one.
TINY = [
    path
    for path in CONFIGS
    if path.parts[0] == 'configs'
    and '_synthrooms' in path.stem
    and (path.stem.endswith('_3dreg') or path.parent.name in ('crossstitch', 'astmt', 'single'))
]


def model_config(path: Path) -> dict[str, Any]:
    """The model's config, without weights to fetch."""
    return without_pretrained(load_config(ROOT / path).model.to_dict())


@pytest.fixture(scope='module')
def built() -> dict[str, torch.nn.Module]:
    """The distinct backbones so far; without weights, so that many models may share them."""
    return {}


@pytest.fixture
def shared_backbones(built, monkeypatch):
    """Build each distinct backbone once."""
    build = multi_task_model.build_backbone

    def build_once(cfg, tasks):
        # Only an encoder that tells the tasks apart depends on them.
        key = repr((cfg, tuple(tasks) if 'Encoder' in cfg['type'] else None))
        if key not in built:
            built[key] = build(cfg, tasks)
        return built[key]

    monkeypatch.setattr(multi_task_model, 'build_backbone', build_once)


@pytest.mark.parametrize('path', CONFIGS, ids=lambda path: path.stem)
def test_config_is_valid_and_its_model_builds(path, shared_backbones):
    match = NAME.fullmatch(path.stem)
    assert match, 'not <method>_<backbone>_<dataset>[_<variant>]'
    if path.parts[0] == 'configs':
        assert match[1].split('_')[0] == path.parent.name
    cfg = model_config(path)
    with torch.device('meta'):
        model = MODELS.build(cfg)
    assert (model.regularizer is not None) == bool(cfg.get('regularizer'))


def test_every_method_and_each_row_of_the_paper_has_its_configs():
    stems = {path.stem for path in CONFIGS}
    for method in set(METHODS) - {'atrc_search'}:
        assert any(stem.startswith(f'{method}_') for stem in stems), method
        assert (ROOT / 'configs' / method / 'README.md').is_file(), method
    for row in (
        'crossstitch_resnet50', 'pap_hrnet48', 'psd_hrnet48', 'padnet_hrnet48', 'atrc_hrnet48',
        'mtinet_hrnet48', 'mtinet_hrnet48_nyud_3dreg', 'invpt_vitl', 'invpt_vitl_nyud_3dreg',
    ):  # fmt: skip
        assert row in stems or f'{row}_nyud' in stems, row
    for row in (
        'astmt_seresnet101',
        'padnet_hrnet48',
        'mtinet_hrnet48',
        'atrc_hrnet48',
        'invpt_vitl',
    ):
        assert f'{row}_pascal' in stems, row
    for row in ('mtinet_hrnet48', 'atrc_hrnet48', 'invpt_vitl'):
        assert f'{row}_pascal_3dreg' in stems, row


@pytest.mark.parametrize('path', TINY, ids=lambda path: path.stem)
def test_tiny_config_trains(path):
    cfg = load_config(ROOT / path)
    model = MODELS.build(cfg.model)
    size = cfg.model.data_preprocessor.size
    optim_wrapper = build_optim_wrapper(model, dict(cfg.optim_wrapper))
    for step in range(2):
        batch = toy_batch(
            2 * step, 2 * step + 1, height=size[0], width=size[1], tasks=tuple(cfg.model.tasks)
        )
        model.train()
        losses = model(**model.data_preprocessor(batch, training=True), mode='loss')
        total, _ = model.parse_losses(losses)
        optim_wrapper.backward(total)
        unused = [name for name, p in model.named_parameters() if p.grad is None]
        # DistributedDataParallel would wait for ever.
        assert cfg.get('find_unused_parameters') or not unused
        optim_wrapper.step()
        optim_wrapper.zero_grad()
    assert ('decoder.loss_adversarial' in losses) == path.stem.startswith('astmt')
    sources = {name.split('.')[0] for name in losses}
    assert sources == ({'decoder', 'regularizer'} if cfg.model.get('regularizer') else {'decoder'})


def learning_rates(stem: str) -> dict[str, float]:
    """Parameter -> learning rate, as a config's optimizer has it."""
    path = Path('configs', stem.split('_')[0], f'{stem}.py')
    with torch.device('meta'):
        model = MODELS.build(model_config(path))
    optim_wrapper = build_optim_wrapper(model, dict(load_config(ROOT / path).optim_wrapper))
    groups = optim_wrapper.optimizer.param_groups
    rates = {id(p): group['lr'] for group in groups for p in group['params']}
    return {name: rates[id(p)] for name, p in model.named_parameters() if p.requires_grad}


def test_foundation_models_learn_slowly_near_the_image():
    for stem, vit, outside in (
        ('invpt_dinov3l_nyud', 'backbone.model', 'decoder.heads.depth.conv.weight'),
        ('mtinet_dinov2l_nyud', 'backbone.backbone.model', 'backbone.project.0.0.conv.weight'),
    ):
        rates = learning_rates(stem)
        assert rates[f'{vit}.blocks.23.mlp.fc1.weight'] == pytest.approx(1e-4 * 0.8)
        assert rates[f'{vit}.blocks.0.mlp.fc1.weight'] == pytest.approx(1e-4 * 0.8**24)
        assert rates[outside] == 1e-4


def test_frozen_foundation_model_learns_nothing():
    rates = learning_rates('invpt_dinov2l_nyud_frozen')
    assert not any(name.startswith('backbone') for name in rates)
    assert set(rates.values()) == {1e-4}


def test_astmt_learns_faster_where_one_task_does():
    rates = learning_rates('astmt_seresnet50_nyud')
    assert rates['backbone.stages.0.0.conv1.weight'] == 1e-3
    assert rates['backbone.stages.0.0.conv2.conv.weight'] == 1e-3
    assert rates['backbone.stem.0.norm.weight'] == 1e-3
    for name in (
        'backbone.stages.0.0.conv2.adapters.edge.weight', 'backbone.stages.3.0.norms2.depth.weight',
        'backbone.stages.0.0.shortcut_norms.edge.bias', 'decoder.heads.semseg.conv.weight',
        'decoder.aspp.image_gates.edge.gate.0.weight', 'decoder.refine.0.norms.edge.weight',
    ):  # fmt: skip
        assert rates[name] == 4e-3, name
    assert rates['decoder.discriminator.0.weight'] == 1e-2
