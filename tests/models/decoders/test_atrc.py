"""ATRC's decoder: parameter counts, which parts exist, where gradients go, initialisation."""

import pytest
import torch
from atrc_golden import meta_model
from toy import TASKS_CFG, toy_batch, toy_model_cfg

from mtl3d.models.heads import ConvHead
from mtl3d.registry import MODELS

FCN = dict(type='SingleHeadsDecoder')


# Numbers of the published program: all, backbone, contexts with their fusion.
@pytest.mark.parametrize(
    ('config', 'decoder', 'total', 'backbone', 'context'),
    [
        ('atrc_hrnet18s_nyud', {}, 5_060_994, 3_860_720, 218_616),
        ('atrc_hrnet18s_pascal', {}, 5_383_142, 3_860_720, 318_678),
        ('atrc_hrnet48_nyud', {}, 72_478_947, 65_325_120, 1_408_680),
        ('atrc_hrnet48_pascal', {}, 76_109_386, 65_325_120, 2_293_200),
        ('atrc_hrnet18s_nyud', FCN | dict(channels=67), 4_515_556, 3_860_720, 0),
        ('atrc_hrnet18s_pascal', FCN | dict(channels=67), 4_677_752, 3_860_720, 0),
        ('atrc_hrnet48_nyud', FCN | dict(channels=180), 70_000_305, 65_325_120, 0),
        ('atrc_hrnet18s_nyud', dict(genotype='global'), 4_734_172, 3_860_720, 218_616),
        ('atrc_hrnet18s_nyud', dict(genotype='local'), 4_734_172, 3_860_720, 218_616),
        ('atrc_hrnet18s_nyud', dict(genotype='s_label'), 5_060_994, 3_860_720, 218_616),
        ('atrc_search_hrnet18s_nyud', {}, 5_459_314, 3_860_720, 616_936),
        ('atrc_search_hrnet18s_pascal', {}, 6_028_214, 3_860_720, 963_750),
    ],
)
def test_parameter_counts_are_the_published_ones(config, decoder, total, backbone, context):
    model = meta_model(config, **decoder)
    counts = dict.fromkeys(('', 'backbone.', 'decoder.context.'), 0)
    for name, parameter in model.named_parameters():
        for prefix in counts:
            counts[prefix] += parameter.numel() * name.startswith(prefix)
    assert list(counts.values()) == [total, backbone, context]


def toy_model(genotype, **overrides):
    torch.manual_seed(0)
    decoder = dict(type='ATRCDecoder', genotype=genotype, channels=4)
    return MODELS.build(toy_model_cfg(decoder=decoder, regularizer=False, **overrides))


def run(model, mode='loss', training=True):
    return model(**model.data_preprocessor(toy_batch(0, 1), training), mode=mode)


def test_regions_are_predicted_only_where_a_context_uses_them():
    genotype = dict(semseg=dict(depth='t_label'), edge=dict(normals='s_label', edge='global'))
    losses = run(toy_model(genotype))
    regions = {name for name in losses if name.startswith('decoder.regions')}
    assert regions == {'decoder.regions.loss_semseg', 'decoder.regions.loss_normals'}


def test_auxiliary_losses_reach_neither_backbone_nor_the_tasks_features():
    model = toy_model('t_label')
    losses = run(model)
    sum(value for name, value in losses.items() if 'regions' in name).backward()
    reached = {n.split('.')[1] for n, p in model.named_parameters() if p.grad is not None}
    assert reached == {'regions'}


def test_predictions_train_the_regions_through_the_contexts():
    model = toy_model('t_label')
    for projection in model.decoder.context.project.values():
        torch.nn.init.ones_(projection.norm.weight)  # zero at the start, which cuts the path
    losses = run(model)
    sum(value for name, value in losses.items() if 'regions' not in name).backward()
    assert model.decoder.regions['depth'][1].weight.grad.abs().max() > 0
    assert model.backbone.conv.weight.grad.abs().max() > 0


def test_initialisation_is_the_published_one():
    decoder = toy_model('t_label').decoder
    for projection in decoder.context.project.values():
        assert (projection.norm.weight == 0).all() and (projection.norm.bias == 0).all()
    for head in decoder.heads.values():
        assert isinstance(head, ConvHead)
        assert (head.conv.bias == 0).all() and head.conv.weight.std() < 0.02
    for layers in decoder.regions.values():
        assert (layers[1].bias == 0).all() and layers[1].weight.std() < 0.02


def test_other_heads_keep_their_own_initialisation():
    decoder = MODELS.build(
        dict(
            type='ATRCDecoder',
            in_channels=(8,),
            out_channels=dict(depth=1, edge=1),
            genotype='global',
            heads=dict(edge=dict(type='HRNetHead')),
        )
    )
    assert type(decoder.heads['edge']).__name__ == 'HRNetHead'
    output = decoder([torch.randn(2, 8, 6, 7)])
    assert output.predictions['edge'].shape == (2, 1, 6, 7)
    assert output.auxiliary == {}


def test_features_of_several_scales_meet_at_the_finest():
    decoder = MODELS.build(
        dict(
            type='ATRCDecoder',
            in_channels=(4, 8),
            out_channels=dict(depth=1),
            auxiliary_channels=dict(depth=7),
            genotype='t_label',
        )
    )
    output = decoder([torch.randn(2, 4, 9, 11), torch.randn(2, 8, 5, 6)])
    assert output.predictions['depth'].shape == (2, 1, 9, 11)
    assert output.auxiliary['regions']['depth'].shape == (2, 7, 9, 11)


def test_tasks_may_be_few():
    model = toy_model(dict(depth=dict(depth='local')), tasks=dict(depth=TASKS_CFG['depth']))
    assert run(model.eval(), 'predict', training=False)[0].pred.depth.shape == (1, 16, 24)


@pytest.mark.parametrize('decoder', ['ATRCDecoder', 'ATRCSearchDecoder'])
def test_mixed_precision_predicts_nearly_the_same(decoder):
    genotype = dict(a=dict(a='global', b='local'), b=dict(a='s_label', b='t_label'))
    options = dict(genotype=genotype) if decoder == 'ATRCDecoder' else {}
    torch.manual_seed(0)
    model = MODELS.build(
        dict(type=decoder, in_channels=(16,), out_channels=dict(a=3, b=2), **options)
    ).eval()
    for projection in model.context.project.values():
        torch.nn.init.ones_(projection.norm.weight)
    if decoder == 'ATRCSearchDecoder':
        for row in model.pairs().values():
            for pair in row.values():
                pair.fixed_weights.fill_(0.2)
    feature = torch.randn(2, 16, 8, 9)
    with torch.no_grad():
        expected = model([feature]).predictions
        with torch.autocast('cpu', dtype=torch.bfloat16):
            actual = model([feature]).predictions
    for task, maps in expected.items():
        assert (actual[task].float() - maps).abs().max() < 0.05 * maps.abs().max()
