"""Every model of the survey gives the numbers of its own code, weights converted."""

import json
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn.functional import interpolate

from mtl3d.models.converters import rename
from mtl3d.models.converters.survey import deeplab_head, from_official
from mtl3d.registry import MODELS

GOLDEN = Path(__file__).parents[2] / 'data' / 'survey'
HEAD = 'decoder.heads.semseg'
NYUD = dict(
    semseg=dict(type='SemSegTask', num_classes=40),
    normals=dict(type='NormalsTask'),
    edge=dict(type='EdgeTask'),
    depth=dict(type='DepthTask'),
)
PASCAL = dict(
    semseg=dict(type='SemSegTask', num_classes=21),
    human_parts=dict(type='HumanPartsTask'),
    saliency=dict(type='SaliencyTask', num_channels=1),
    normals=dict(type='NormalsTask'),
    edge=dict(type='EdgeTask'),
)
#: The survey's "HRNet-w18": timm's small v2 with bilinear up-sampling, raw branches of stage 4.
HRNET18 = dict(
    type='TimmBackbone',
    model_name='hrnet_w18_small_v2',
    out_indices=(1, 2, 3, 4),
    upsample_mode='bilinear',
    model_kwargs=dict(feature_location=''),
)


def fill(name: str, shape: list[int]) -> torch.Tensor:
    """The rule by which the original was filled with weights (its fill B)."""
    if name.endswith('num_batches_tracked'):
        return torch.zeros(shape, dtype=torch.int64)
    noise = np.random.default_rng(zlib.crc32(name.encode())).standard_normal(shape)
    if name.endswith('running_var'):
        noise = 0.1 * abs(noise) + 1
    elif name.endswith('.param'):
        noise = 0.25 + 0.1 * noise
    elif len(shape) >= 2:
        noise *= 0.85 / np.sqrt(np.prod(shape[1:]))
    else:
        noise = 0.02 * noise + (1 if name.endswith('weight') else 0)
    return torch.from_numpy(noise.astype(np.float32))


def build(decoder: str, tasks=NYUD, backbone=HRNET18, **overrides):
    return MODELS.build(
        dict(
            type='MultiTaskModel',
            backbone=backbone,
            decoder=dict(type=decoder, **overrides),
            tasks=tasks,
        )
    ).eval()


def on_resnet18(encoder: str):
    backbone = dict(type=encoder, model_name='resnet18')
    return build('SingleHeadsDecoder', PASCAL, backbone, head=dict(type='ASPPHead'))


MODELS_OF_THE_SURVEY = {
    'mti_net_nyud_hrnet_w18': (lambda: build('MTINetDecoder'), 20),
    'pad_net_nyud_hrnet_w18': (lambda: build('PADNetDecoder'), 8),
    'multi_task_baseline_nyud_hrnet_w18': (
        lambda: build('SingleHeadsDecoder', head=dict(type='HRNetHead')),
        4,
    ),
    'cross_stitch_pascal_resnet18': (lambda: on_resnet18('CrossStitchEncoder'), 5),
    'mtan_pascal_resnet18': (lambda: on_resnet18('MTANEncoder'), 5),
}


@pytest.mark.parametrize('name', MODELS_OF_THE_SURVEY)
def test_converted_weights_give_the_published_outputs(name):
    make_model, num_outputs = MODELS_OF_THE_SURVEY[name]
    shapes = json.loads((GOLDEN / f'{name}.json').read_text())
    weights, meta = from_official({key: fill(key, shape) for key, shape in shapes.items()})
    model = make_model()
    assert meta['tasks'] == list(model.tasks)
    model.load_state_dict(weights, strict=True)
    size = (512, 512) if 'pascal' in name else (448, 576)
    image = np.random.default_rng(0).standard_normal((1, 3, *size)).astype(np.float32)
    with torch.no_grad():
        output = model.decoder(model.extract_feat(torch.from_numpy(image)))
    golden = np.load(GOLDEN / f'{name}.npz')
    keys = [key for key in golden.files if '|' not in key]
    assert len(keys) == num_outputs
    for key in keys:
        *auxiliary, task = key.split('/')
        if auxiliary:
            ours = output.auxiliary[auxiliary[0]][task]
        else:  # the original resizes its final outputs to the image
            ours = interpolate(output.predictions[task], size=size, mode='bilinear')
        stride = int(golden[f'{key}|stride'])
        error = np.abs(ours.numpy()[:, :, ::stride, ::stride] - golden[key]).max()
        assert error < 1e-5 * golden[f'{key}|max'], key


@pytest.mark.parametrize(
    ('decoder', 'main_tasks', 'count'),
    [
        ('MTINetDecoder', None, 17_960_945),
        ('MTINetDecoder', ['semseg', 'depth'], 14_838_121),
        ('PADNetDecoder', None, 19_521_848),
        ('PADNetDecoder', ['semseg', 'depth'], 12_161_332),
    ],
)
def test_parameter_counts_are_the_published_ones(decoder, main_tasks, count):
    with torch.device('meta'):
        model = build(decoder, main_tasks=main_tasks)
    assert sum(parameter.numel() for parameter in model.parameters()) == count


def test_an_unknown_main_task_names_the_nearest():
    with pytest.raises(ValueError, match="main_tasks: unknown task 'depht'.*'depth'"):
        build('MTINetDecoder', main_tasks=['depht'])


def test_mti_net_refuses_scales_that_do_not_double():
    decoder = MODELS.build(
        dict(type='MTINetDecoder', in_channels=(4, 8), out_channels=dict(depth=1))
    )
    with pytest.raises(ValueError, match='doubles each scale'):
        decoder([torch.zeros(1, 4, 10, 10), torch.zeros(1, 8, 4, 5)])


def test_a_checkpoint_with_a_stray_weight_is_refused():
    shapes = json.loads((GOLDEN / 'pad_net_nyud_hrnet_w18.json').read_text())
    weights = {key: torch.empty(shape, device='meta') for key, shape in shapes.items()}
    weights['backbone.1.extra.weight'] = torch.empty(1)
    with pytest.raises(ValueError, match='backbone.1.extra.weight'):
        from_official(weights)


@pytest.mark.parametrize(
    ('encoder', 'count'),
    [
        ('CrossStitchEncoder', 79_525_921),
        ('NDDREncoder', 88_318_561),
        ('MTANEncoder', 36_613_425),
    ],
)
def test_parameter_counts_of_the_encoders_are_the_published_ones(encoder, count):
    with torch.device('meta'):
        model = on_resnet18(encoder)
    assert sum(parameter.numel() for parameter in model.parameters()) == count


def test_a_single_task_model_converts_once_its_task_is_named():
    resnet18 = dict(
        type='TimmBackbone',
        model_name='resnet18',
        out_indices=(4,),
        model_kwargs=dict(output_stride=8),
    )
    with torch.device('meta'):
        model = build(
            'SingleHeadsDecoder',
            dict(semseg=PASCAL['semseg']),
            resnet18,
            head=dict(type='ASPPHead'),
        )
    ours = model.state_dict()
    table = {'backbone.*': 'backbone.model.*', **dict(deeplab_head('decoder', HEAD))}
    theirs = rename(ours, {mine: published for published, mine in table.items()})
    assert 'decoder.0.convs.4.1.weight' in theirs and 'backbone.layer4.1.conv2.weight' in theirs
    converted, meta = from_official(theirs, task='semseg')
    assert set(converted) == set(ours) and meta['tasks'] == ['semseg']
    assert sum(p.numel() for p in model.parameters()) == 15_904_085
    with pytest.raises(ValueError, match="task='None'.*single-task"):
        from_official(theirs)
