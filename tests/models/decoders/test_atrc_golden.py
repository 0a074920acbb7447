"""ATRC and its search give the numbers of the published program, weights converted."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from atrc_golden import (
    DATA,
    SIZE,
    build,
    golden_images,
    official_shapes,
    official_weights,
    pascal_shapes,
)
from mmengine.logging import MessageHub
from mmengine.structures import PixelData

from mtl3d.models.converters.atrc import from_official
from mtl3d.models.layers import MixedContext
from mtl3d.models.tasks.base import resize
from mtl3d.structures import MultiTaskDataSample

LOSSES = Path(__file__).parents[2] / 'data' / 'losses_metrics' / 'atrc_losses_metrics.json'


def converted(name, searched=False, without='nothing', **decoder):
    """The model of a config, in training mode, with the converted golden weights."""
    shapes = pascal_shapes() if name.endswith('pascal') else official_shapes(searched)
    kept = {key: shape for key, shape in shapes.items() if without not in key}
    weights, meta = from_official(official_weights(kept))
    model = build(name, **decoder).train()
    assert meta['tasks'] == list(model.tasks)
    model.load_state_dict(weights, strict=True)
    return model


def compare(model, name, prefix='', count=8):
    """Compare all stored outputs; the original resizes them to the image."""
    golden = np.load(DATA / f'{name}.npz')
    keys = [key for key in golden.files if key.startswith(prefix) and '.' in key.split('|')[-1]]
    assert len(keys) == count
    with torch.no_grad():
        output = model.decoder(model.extract_feat(golden_images()))
    for key in keys:
        kind, task = key.removeprefix(prefix).split('.')
        maps = output.predictions if kind == 'final' else output.auxiliary['regions']
        stride = int(golden['stride'])
        ours = resize(maps[task], SIZE).numpy()[:, :, ::stride, ::stride]
        assert np.abs(ours - golden[key]).max() < 1e-4 * golden[f'{key}|max'], key
    return output


def test_published_genotype():
    compare(converted('atrc_hrnet18s_nyud', dropout=0.0), 'nyud_hrnet18')


def test_t_label_context_everywhere():
    compare(converted('atrc_hrnet18s_nyud', dropout=0.0, genotype='t_label'), 'tlabel_nyud_hrnet18')


def test_local_context_everywhere_needs_no_regions():
    options = dict(dropout=0.0, genotype='local')
    model = converted('atrc_hrnet18s_nyud', without='head.aux_', **options)
    output = compare(model, 'local_nyud_hrnet18', count=4)
    assert output.auxiliary == {}


@pytest.mark.parametrize(
    ('mode', 'count'), [('argmax', 4), ('soft50', 8), ('gumbel_seed0_tau0.5', 4)]
)
def test_search(mode, count):
    model = converted('atrc_search_hrnet18s_nyud', searched=True)
    for pair in model.modules():
        if isinstance(pair, MixedContext):
            pair.temperature = 0.5
            if mode == 'argmax':
                pair.training = False  # itself, not its BatchNorm
            if mode == 'soft50':
                pair.fixed_weights.copy_((50 * pair.architecture.detach()).softmax(0))
    torch.manual_seed(0)
    compare(model, 'search_nyud_hrnet18', f'{mode}.', count)


def golden_labels(dataset):
    """The synthetic labels of the stored losses, in our layout."""
    tasks = dict(nyud='semseg depth', pascal='semseg human_parts saliency')[dataset]
    classes = dict(semseg=dict(nyud=40, pascal=21)[dataset], human_parts=7)
    rng = np.random.default_rng(1)
    fields = {}
    for task in (*tasks.split(), 'normals', 'edge'):
        ignored = rng.random((2, 1, *SIZE)) < 0.1
        if task in classes:
            label = rng.integers(0, classes[task], (2, 1, *SIZE))
        elif task == 'depth':
            label = rng.uniform(0.5, 10.5, (2, 1, *SIZE)).astype(np.float32)
        elif task == 'normals':
            label = rng.standard_normal((2, 3, *SIZE))
            label = (label / np.linalg.norm(label, axis=1, keepdims=True)).astype(np.float32)
        else:
            share = 0.3 if task == 'saliency' else 0.1
            label = (rng.random((2, 1, *SIZE)) < share).astype(np.float32)
        nothing = 0 if task in ('depth', 'normals') else 255
        fields[task] = torch.from_numpy(np.where(ignored, nothing, label).astype(label.dtype))
    return [
        MultiTaskDataSample(gt=PixelData(**{task: label[i] for task, label in fields.items()}))
        for i in range(2)
    ]


@pytest.mark.parametrize('dataset', ['nyud', 'pascal'])
def test_losses_and_gradients(dataset):
    golden = json.loads(LOSSES.read_text())[dataset]
    model = converted(f'atrc_hrnet18s_{dataset}', dropout=0.0)
    losses = model.loss(golden_images(), golden_labels(dataset))
    hub = MessageHub.get_current_instance()
    for name, expected in golden['weighted'].items():
        task, kind = name.replace('sal_', 'saliency_').rsplit('_', 1)
        source = 'decoder' if kind == 'final' else 'decoder.regions'
        assert losses[f'{source}.loss_{task}'].item() == pytest.approx(expected, rel=1e-5)
        unweighted = hub.get_scalar(f'train/{source}.{task}').current()
        assert unweighted == pytest.approx(golden['unweighted'][name], rel=1e-5)
    model.parse_losses(losses)[0].backward()
    parts = {
        'backbone.': 'backbone.',
        'head.bottleneck': 'decoder.features.',
        'head.atrc_module': 'decoder.context.',
        'head.final_logits': 'decoder.heads.',
    }
    for theirs, ours in parts.items():
        gradients = [p.grad for n, p in model.named_parameters() if n.startswith(ours)]
        norm = torch.stack([g.double().square().sum() for g in gradients]).sum().sqrt().item()
        assert norm == pytest.approx(golden['grad_l2'][theirs], rel=1e-3), theirs
    regions = model.decoder.regions
    norms = [0.0, 0.0]
    for layers in regions.values():
        for index, layer in enumerate(layers):
            norms[index] += sum(p.grad.double().square().sum().item() for p in layer.parameters())
    assert norms[0] ** 0.5 == pytest.approx(golden['grad_l2']['head.aux_conv'], rel=1e-3)
    assert norms[1] ** 0.5 == pytest.approx(golden['grad_l2']['head.aux_logits'], rel=1e-3)
