"""Every config: valid, named as agreed, built, as published and as documented; the tiny train."""

import ast
import re
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from mmengine.config import Config
from mmengine.optim import build_optim_wrapper
from toy import toy_batch

from mtl3d.apis.configuration import load_config
from mtl3d.models import multi_task_model
from mtl3d.registry import EVALUATOR, MODELS, TRANSFORMS
from mtl3d.utils.config import typed_dicts
from mtl3d.utils.weights import without_pretrained

ROOT = Path(__file__).parents[1]
FOLDERS = sorted(ROOT.glob('configs/[a-z]*'))
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
#: A row of a table of costs: config, input, parameters, those of the backbone.
COST = re.compile(r'^\| `(\w+)` \| (\d+) x (\d+) \| ([\d ]+) \| ([\d ]+) \|', re.MULTILINE)
COSTS = [
    (row[0], *(int(number.replace(' ', '')) for number in row[1:]))
    for path in (ROOT / 'docs/methods.md', *(folder / 'README.md' for folder in FOLDERS))
    for row in COST.findall(path.read_text())
]
#: Small enough to train in a test: one per method, with the regularizer where there can be one.
TINY = [
    path
    for path in CONFIGS
    if path.parts[0] == 'configs'
    and '_synthrooms' in path.stem
    and (path.stem.endswith('_3dreg') or path.parent.name in ('crossstitch', 'astmt', 'single'))
]
#: Images of the training splits.
NYUD, PASCAL = 795, 4998
#: Config -> optimizer, learning rate, weight decay, iterations, images per iteration, input size,
#: as published. The survey counts epochs, without the images that do not fill a batch.
RECIPES = {
    'invpt_vitl_nyud': ('Adam', 2e-5, 1e-6, 40_000, 6, (448, 576)),
    'invpt_vitl_pascal': ('Adam', 2e-5, 1e-6, 40_000, 6, (512, 512)),
    'mtinet_hrnet48_nyud': ('Adam', 1e-4, 1e-4, 40_000, 8, (448, 576)),
    'mtinet_hrnet48_pascal': ('Adam', 1e-4, 1e-4, 40_000, 8, (512, 512)),
    'atrc_hrnet48_nyud': ('SGD', 1e-2, 5e-4, 40_000, 8, (425, 560)),
    'atrc_hrnet18s_pascal': ('SGD', 5e-3, 5e-4, 40_000, 8, (512, 512)),
    'pap_hrnet18s_nyud': ('SGD', 1e-2, 5e-4, 40_000, 8, (425, 560)),
    'psd_hrnet48_pascal': ('SGD', 5e-3, 5e-4, 40_000, 8, (512, 512)),
    'single_hrnet18s_nyud_depth': ('Adam', 1e-4, 1e-4, 100 * (NYUD // 8), 8, (480, 640)),
    'single_hrnet18s_pascal_edge': ('SGD', 1e-2, 1e-4, 60 * (PASCAL // 8), 8, (512, 512)),
    'vanilla_hrnet18s_nyud': ('Adam', 1e-4, 1e-4, 100 * (NYUD // 8), 8, (480, 640)),
    'vanilla_hrnet18s_pascal': ('Adam', 1e-4, 1e-4, 100 * (PASCAL // 8), 8, (512, 512)),
    'vanilla_resnet50_nyud': ('Adam', 1e-4, 1e-4, 100 * (NYUD // 8), 8, (480, 640)),
    'vanilla_resnet18_pascal': ('Adam', 1e-4, 1e-4, 100 * (PASCAL // 6), 6, (512, 512)),
    'mtinet_hrnet18s_nyud': ('Adam', 1e-4, 1e-4, 100 * (NYUD // 8), 8, (480, 640)),
    'padnet_hrnet18s_pascal': ('Adam', 1e-4, 1e-4, 100 * (PASCAL // 8), 8, (512, 512)),
    'mtan_resnet50_nyud': ('Adam', 1e-4, 1e-4, 100 * (NYUD // 8), 8, (480, 640)),
    'mtan_resnet18_pascal': ('SGD', 5e-3, 1e-4, 100 * (PASCAL // 6), 6, (512, 512)),
    'crossstitch_resnet50_nyud': ('SGD', 1e-3, 1e-4, 50 * (NYUD // 8), 8, (480, 640)),
    'crossstitch_resnet18_pascal': ('SGD', 5e-3, 1e-4, 20 * (PASCAL // 12), 12, (512, 512)),
    'astmt_seresnet50_nyud': ('SGD', 1e-3, 1e-4, 200 * (NYUD // 8), 8, (512, 512)),
    'astmt_seresnet101_pascal': ('SGD', 1e-3, 1e-4, 60 * (PASCAL // 8), 8, (512, 512)),
}  # fmt: skip
#: Weights of the tasks' losses in every published recipe.
LOSS_WEIGHTS = dict(semseg=1, human_parts=2, depth=1, normals=10, edge=50, saliency=5)


@cache
def config(path: Path) -> Config:
    """A config; not to be changed."""
    return load_config(ROOT / path)


def model_config(path: Path) -> dict[str, Any]:
    """The model's config, without weights to fetch."""
    return without_pretrained(config(path).model.to_dict())


def path_of(stem: str) -> Path:
    """The config of this name."""
    return Path('configs', stem.split('_')[0], f'{stem}.py')


def bases(path: Path) -> list[Path]:
    """The files that a config names in ``_base_``."""
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.Assign) and node.targets[0].id == '_base_':
            named = ast.literal_eval(node.value)
            return [path.parent / n for n in ([named] if isinstance(named, str) else named)]
    return []


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
def test_config_is_valid_and_its_parts_build(path, shared_backbones):
    match = NAME.fullmatch(path.stem)
    assert match, 'not <method>_<backbone>_<dataset>[_<variant>]'
    if path.parts[0] == 'configs':
        assert match[1].split('_')[0] == path.parent.name
        methods = [base for base in bases(ROOT / path) if '_base_' not in base.parts]
        above = [base for method in methods for base in bases(method)]
        assert len(methods) <= 1, 'on top of more than one config'
        assert all('_base_' in base.parts for base in above), 'a variant of a variant'

    cfg = config(path)
    assert cfg.auto_scale_lr.base_batch_size == cfg.train_dataloader.batch_size
    for loader in (cfg.train_dataloader, cfg.val_dataloader):
        pipelines = [part.pipeline for _, part in typed_dicts(loader, '') if 'pipeline' in part]
        assert pipelines
        for step in sum(pipelines, []):
            TRANSFORMS.build(step)
    EVALUATOR.build(cfg.val_evaluator)

    model_cfg = model_config(path)
    with torch.device('meta'):
        model = MODELS.build(model_cfg)
    assert (model.regularizer is not None) == bool(model_cfg.get('regularizer'))
    parts = dict(model.named_parameters())
    cost = (
        *model_cfg['data_preprocessor']['size'],
        sum(p.numel() for name, p in parts.items() if not name.startswith('regularizer.')),
        sum(p.numel() for name, p in parts.items() if name.startswith('backbone.')),
    )
    assert [row for row in COSTS if row[0] == path.stem and row[1:] != cost] == []


def test_costs_of_every_method_on_each_data_set_are_documented():
    documented = {row[0] for row in COSTS}
    plain = {path.stem for path in CONFIGS if re.search('_(nyud|pascal)$', path.stem)}
    assert plain <= documented


def test_every_method_and_each_row_of_the_paper_has_its_configs():
    stems = {path.stem for path in CONFIGS}
    for method in set(METHODS) - {'atrc_search'}:
        assert any(stem.startswith(f'{method}_') for stem in stems), method
    regularized = {
        'nyud': ('pap_hrnet48', 'psd_hrnet48', 'padnet_hrnet48', 'atrc_hrnet48', 'mtinet_hrnet48'),
        'pascal': ('padnet_hrnet48', 'atrc_hrnet48', 'mtinet_hrnet48'),
    }
    foundation = (
        'invpt_vitl',
        'invpt_dinov2l',
        'invpt_dinov3l',
        'mtinet_dinov2l',
        'mtinet_dinov3l',
    )
    # These two have no shared feature to regularize.
    rows = {'crossstitch_resnet50_nyud', 'astmt_seresnet101_pascal'}
    for data, models in regularized.items():
        rows |= {f'{row}_{data}{end}' for row in (*models, *foundation) for end in ('', '_3dreg')}
    assert rows <= stems


@pytest.mark.parametrize('stem', RECIPES)
def test_recipe_is_the_published_one(stem):
    cfg = config(path_of(stem))
    optimizer = cfg.optim_wrapper.optimizer
    batch_size, size = cfg.train_dataloader.batch_size, tuple(cfg.model.data_preprocessor.size)
    recipe = (optimizer.type, optimizer.lr, optimizer.weight_decay, cfg.train_cfg.max_iters)
    assert (*recipe, batch_size, size) == RECIPES[stem]
    assert optimizer.get('momentum') == (0.9 if optimizer.type == 'SGD' else None)
    assert cfg.optim_wrapper.get('clip_grad') is None
    (decay,) = cfg.param_scheduler
    assert (decay.type, decay.power, decay.end) == ('PolyLR', 0.9, cfg.train_cfg.max_iters + 1)
    windows = [step['size'] for step in cfg.train_pipeline if step.type in ('RandomCrop', 'Resize')]
    assert [tuple(window) for window in windows] == [size]
    # Alone, a task needs no weight against the others.
    single = stem.startswith('single')
    for name, task in cfg.model.tasks.items():
        assert task.get('loss_weight', 1.0) == (1.0 if single else LOSS_WEIGHTS[name])


def test_regularizer_is_the_papers():
    for path in CONFIGS:
        cfg = config(path)
        if not re.search('_(nyud|pascal|nyudvideo)_3dreg', path.stem):
            continue
        regularizer, (ramp,) = cfg.model.regularizer, cfg.custom_hooks
        height, width = cfg.model.data_preprocessor.size
        assert regularizer.render_size == (-(-height // 8), -(-width // 8)), path
        assert (ramp.type, ramp.stop) == ('AlphaRampHook', 4.0)
        assert ramp.end == cfg.train_cfg.max_iters // 2, path


@pytest.mark.parametrize('folder', FOLDERS, ids=lambda path: path.name)
def test_metafile_lists_the_configs_and_the_readme_has_its_results(folder):
    index = yaml.safe_load((ROOT / 'model-index.yml').read_text())
    assert index['Import'] == [f'configs/{folder.name}/metafile.yml' for folder in FOLDERS]
    # All as text: 0.5360 is to stay so.
    metafile = yaml.load((folder / 'metafile.yml').read_text(), yaml.BaseLoader)
    files = {model['Name']: ROOT / model['Config'] for model in metafile['Models']}
    assert files == {path.stem: path for path in folder.glob('*.py')}
    (collection,) = metafile['Collections']
    readme = ROOT / collection['README']
    assert readme == folder / 'README.md'
    text = readme.read_text()
    for entry in (collection, *metafile['Models']):
        for result in entry.get('Results', ()):
            assert result['Dataset'] in ('NYUv2', 'PASCAL-Context') and result['Source']
            assert {metric.split('/')[0] for metric in result['Metrics']} <= set(LOSS_WEIGHTS)
            assert all(re.search(rf'\b{value}\b', text) for value in result['Metrics'].values())


@pytest.mark.parametrize('path', TINY, ids=lambda path: path.stem)
def test_tiny_config_trains(path):
    cfg = load_config(ROOT / path)
    size = (64, 64)
    cfg.model.data_preprocessor.size = size
    if 'img_size' in cfg.model.backbone:
        cfg.model.backbone.img_size = size
    model = MODELS.build(cfg.model)
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
    path = path_of(stem)
    with torch.device('meta'):
        model = MODELS.build(model_config(path))
    optim_wrapper = build_optim_wrapper(model, dict(config(path).optim_wrapper))
    groups = optim_wrapper.optimizer.param_groups
    rates = {id(p): group['lr'] for group in groups for p in group['params']}
    return {name: rates[id(p)] for name, p in model.named_parameters() if p.requires_grad}


def test_foundation_models_learn_slowly_near_the_image(shared_backbones):
    for stem, vit, outside in (
        ('invpt_dinov3l_nyud', 'backbone.model', 'decoder.heads.depth.conv.weight'),
        ('mtinet_dinov2l_nyud', 'backbone.backbone.model', 'backbone.project.0.0.conv.weight'),
    ):
        rates = learning_rates(stem)
        assert rates[f'{vit}.blocks.23.mlp.fc1.weight'] == pytest.approx(1e-4 * 0.8)
        assert rates[f'{vit}.blocks.0.mlp.fc1.weight'] == pytest.approx(1e-4 * 0.8**24)
        assert rates[outside] == 1e-4


def test_frozen_foundation_model_learns_nothing(shared_backbones):
    rates = learning_rates('invpt_dinov2l_nyud_frozen')
    assert not any(name.startswith('backbone') for name in rates)
    assert set(rates.values()) == {1e-4}


def test_astmt_learns_faster_where_one_task_does(shared_backbones):
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
