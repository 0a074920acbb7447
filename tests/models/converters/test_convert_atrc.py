"""Checkpoints of ATRC's code: every name and shape has its place in the shipped configs' models."""

import pytest
import torch
from atrc_golden import meta_model, official_shapes, official_weights, pascal_shapes

from mtl3d.models.converters import convert_file
from mtl3d.models.converters.atrc import LOSS_CONSTANTS, from_official, to_official

CP = 'head.atrc_module.cp_blocks'


def empty(shapes):
    """Tensors that take no memory."""
    return {name: torch.empty(shape, device='meta') for name, shape in shapes.items()}


def shapes_of(config, **decoder):
    state = meta_model(config, **decoder).state_dict()
    return {name: tuple(tensor.shape) for name, tensor in state.items()}


def converted_shapes(weights):
    return {name: tuple(tensor.shape) for name, tensor in from_official(weights)[0].items()}


def test_atrc():
    weights = empty(official_shapes())
    assert len(weights) == 1456
    assert converted_shapes(weights) == shapes_of('atrc_hrnet18s_nyud')


def test_atrc_on_pascal():
    weights = empty(pascal_shapes())
    assert len(weights) == 1724
    assert converted_shapes(weights) == shapes_of('atrc_hrnet18s_pascal')


def test_search():
    weights = empty(official_shapes(searched=True))
    assert len(weights) == 2672
    assert converted_shapes(weights) == shapes_of('atrc_search_hrnet18s_nyud')


def test_multi_task_baseline():
    unused = ('head.aux_', 'head.atrc_module.')
    shapes = {k: v for k, v in official_shapes().items() if not k.startswith(unused)}
    assert len(shapes) == 896
    expected = shapes_of('atrc_hrnet18s_nyud', type='SingleHeadsDecoder', channels=67)
    assert converted_shapes(empty(shapes)) == expected


def without_pairs(shapes, pairs):
    """The published names for a genotype in which these pairs have no context."""
    prefixes = tuple(f'{CP}.{target}.{source}.' for target, source in pairs)
    return {name: shape for name, shape in shapes.items() if not name.startswith(prefixes)}


def test_pairs_without_a_context_have_no_weights():
    pairs = [('semseg', 'depth'), ('semseg', 'normals')]
    shapes = without_pairs(official_shapes(), pairs)
    projection = 'head.atrc_module.out_proj.semseg.conv.weight'
    shapes[projection] = [67, 66, 1, 1]
    row = dict(semseg=3, edge=4)
    rest = {task: dict.fromkeys(('semseg', 'depth', 'normals', 'edge'), 3) for task in ('depth',)}
    rest |= {task: rest['depth'] for task in ('normals', 'edge')}
    assert converted_shapes(empty(shapes)) == shapes_of(
        'atrc_hrnet18s_nyud', genotype=dict(semseg=row) | rest
    )
    assert from_official(empty(shapes))[1]['pairs']['semseg'] == ['semseg', 'edge']


def test_a_task_without_any_context_has_no_projection():
    pairs = [('semseg', source) for source in ('semseg', 'depth', 'normals', 'edge')]
    shapes = without_pairs(official_shapes(), pairs)
    shapes = {k: v for k, v in shapes.items() if 'out_proj.semseg' not in k}
    shapes['head.atrc_module.bottleneck.semseg.0.conv.weight'] = [67, 67, 1, 1]
    row = dict.fromkeys(('semseg', 'depth', 'normals', 'edge'), 't_label')
    genotype = dict(depth=row, normals=row, edge=row | dict(semseg='s_label'))
    assert converted_shapes(empty(shapes)) == shapes_of('atrc_hrnet18s_nyud', genotype=genotype)


def test_a_frozen_pair_keeps_its_choice_and_others_have_none():
    weights = official_weights(
        {k: v for k, v in official_shapes(searched=True).items() if k.startswith('head.')}
    )
    weights |= {'backbone.x.weight': torch.zeros(1)}
    chosen = torch.tensor([0.0, 0, 0, 1, 0])
    weights[f'{CP}.depth.edge.fixed_weights'] = chosen
    ours, _ = from_official(weights)
    assert torch.equal(ours['decoder.context.contexts.depth.edge.fixed_weights'], chosen)
    assert not ours['decoder.context.contexts.edge.depth.fixed_weights'].any()
    alpha = weights[f'{CP}.depth.edge.arch_param']
    assert ours['decoder.context.contexts.depth.edge.architecture'] is alpha


def test_saliency_has_its_own_name_in_ours():
    shapes = {k.replace('depth', 'sal'): v for k, v in official_shapes().items()}
    ours, meta = from_official(empty(shapes))
    assert 'decoder.context.contexts.saliency.edge.query.0.conv.weight' in ours
    assert meta['tasks'] == ['semseg', 'saliency', 'normals', 'edge']


def test_a_training_checkpoint_is_converted_and_its_loss_constants_reported(tmp_path):
    weights = {k: torch.zeros(v) for k, v in official_shapes().items() if k.startswith('head.')}
    weights |= {'backbone.conv1.weight': torch.zeros(1)}
    weights |= {name: torch.zeros(2) for name in LOSS_CONSTANTS}
    source, target = tmp_path / 'last.ckpt', tmp_path / 'ours.pth'
    torch.save(dict(state_dict=weights, optimizer_states=[], epoch=3), source)
    report = convert_file(source, target, from_official)
    assert all(name in report for name in LOSS_CONSTANTS)
    written = torch.load(target, weights_only=True)
    assert len(written['state_dict']) == len(weights) - len(LOSS_CONSTANTS)
    assert written['meta']['source'] == 'ATRC code, ATRC'


@pytest.mark.parametrize('searched', [False, True])
def test_a_stray_or_missing_weight_is_refused(searched):
    weights = empty(official_shapes(searched))
    with pytest.raises(ValueError, match='1 unknown weights: head.surprise.weight'):
        from_official(weights | {'head.surprise.weight': torch.zeros(1)})
    lost = 'head.final_logits.edge'
    fewer = {k: v for k, v in weights.items() if not k.startswith('head.bottleneck.edge.conv')}
    with pytest.raises(ValueError, match='1 modules without weights: head.bottleneck.edge.conv'):
        from_official(fewer)
    del weights[f'{lost}.weight'], weights[f'{lost}.bias']
    with pytest.raises(ValueError, match='unknown weights'):
        from_official(weights)


def undecided_state(config, **decoder):
    """A state dict without memory, but with the choices of a search that has frozen nothing."""
    state = meta_model(config, **decoder).state_dict()
    frozen = [name for name in state if name.endswith('.fixed_weights')]
    return state | {name: torch.zeros(state[name].shape) for name in frozen}


BASELINE = dict(type='SingleHeadsDecoder', channels=67)


# Numbers of tensors in the published checkpoints, without constants of the losses.
@pytest.mark.parametrize(
    ('config', 'decoder', 'tensors'),
    [
        ('atrc_hrnet18s_pascal', {}, 1724),
        ('atrc_hrnet48_nyud', {}, 2346),
        ('atrc_hrnet48_pascal', {}, 2690),
        ('atrc_hrnet18s_nyud', dict(genotype='global'), 1424),
        ('atrc_hrnet18s_nyud', BASELINE, 896),
        ('atrc_hrnet18s_pascal', BASELINE, 904),
        ('atrc_hrnet48_nyud', BASELINE | dict(channels=180), 1862),
        ('atrc_search_hrnet18s_pascal', {}, 3689),
    ],
)
def test_there_and_back(config, decoder, tensors):
    ours = undecided_state(config, **decoder)
    official, meta = to_official(ours | {'regularizer.x': torch.zeros(1)})
    assert len(official) == tensors
    assert ('sal' in meta['tasks']) == ('pascal' in config)
    again, _ = from_official(official)
    assert again.keys() == ours.keys()
    assert all(again[name] is ours[name] for name in ours if not name.endswith('.fixed_weights'))


def test_a_frozen_choice_goes_there_and_back():
    ours = undecided_state('atrc_search_hrnet18s_nyud')
    chosen = ours['decoder.context.contexts.edge.depth.fixed_weights']
    chosen[2] = 1
    official, _ = to_official(ours)
    assert [name for name in official if name.endswith('fixed_weights')] == [
        f'{CP}.edge.depth.fixed_weights'
    ]
    again, _ = from_official(official)
    assert again['decoder.context.contexts.edge.depth.fixed_weights'] is chosen


def test_a_search_without_one_of_its_parameters_is_refused():
    weights = empty(official_shapes(searched=True))
    del weights[f'{CP}.edge.depth.arch_param']
    with pytest.raises(ValueError, match='no weight .*edge.depth.arch_param'):
        from_official(weights)
