"""Every model of the survey gives the numbers of its own code, weights converted.

For some there are golden numbers of that code. They also prove ``survey_reference``, a second
implementation that shares nothing with ours, which then stands for the code in all other cases.
"""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from survey_reference import HRNETS, NYUD, PASCAL, Survey, fill
from torch import Tensor
from torch.nn.functional import interpolate

from mtl3d.models.converters import weights_of_checkpoint
from mtl3d.models.converters.survey import TASKS, from_official
from mtl3d.registry import MODELS

GOLDEN = Path(__file__).parents[2] / 'data' / 'survey'
MAIN = dict(semseg=40, depth=1)
SMALL = {task: PASCAL[task] for task in ('semseg', 'human_parts', 'sal')}
#: Method, backbone, channels of the main tasks and, if there are any, of the auxiliary ones.
MODELS_OF_THE_SURVEY: dict[str, tuple[Any, ...]] = {
    'mti_net_nyud_hrnet_w18': ('mti_net', 'hrnet_w18', NYUD, NYUD),
    'mti_net_nyud_hrnet_w48': ('mti_net', 'hrnet_w48', NYUD, NYUD),
    'mti_net_nyud2_hrnet_w18': ('mti_net', 'hrnet_w18', MAIN, MAIN),
    'mti_net_nyud2aux4_hrnet_w18': ('mti_net', 'hrnet_w18', MAIN, NYUD),
    'mti_net_pascal_hrnet_w18': ('mti_net', 'hrnet_w18', PASCAL, PASCAL),
    'pad_net_nyud_hrnet_w18': ('pad_net', 'hrnet_w18', NYUD, NYUD),
    'pad_net_nyud2aux4_hrnet_w18': ('pad_net', 'hrnet_w18', MAIN, NYUD),
    'pad_net_pascal_hrnet_w18': ('pad_net', 'hrnet_w18', PASCAL, PASCAL),
    'multi_task_baseline_nyud_hrnet_w18': ('multi_task_baseline', 'hrnet_w18', NYUD),
    'multi_task_baseline_nyud2_resnet50': ('multi_task_baseline', 'resnet50', MAIN),
    'multi_task_baseline_pascal_resnet18': ('multi_task_baseline', 'resnet18', PASCAL),
    'single_task_depth_nyud_hrnet_w18': ('single_task', 'hrnet_w18', dict(depth=1)),
    'single_task_semseg_nyud_hrnet_w18': ('single_task', 'hrnet_w18', dict(semseg=40)),
    'single_task_semseg_pascal_resnet18': ('single_task', 'resnet18', dict(semseg=21)),
    'cross_stitch_pascal_resnet18': ('cross_stitch', 'resnet18', PASCAL),
    'nddr_cnn_nyud2_resnet50': ('nddr_cnn', 'resnet50', MAIN),
    'nddr_cnn_pascal_resnet18': ('nddr_cnn', 'resnet18', PASCAL),
    'nddr_cnn_pascal3_resnet18': ('nddr_cnn', 'resnet18', SMALL),
    'mtan_nyud2_resnet50': ('mtan', 'resnet50', MAIN),
    'mtan_pascal_resnet18': ('mtan', 'resnet18', PASCAL),
}
#: Number of the published outputs, final and auxiliary.
WITH_GOLDEN_NUMBERS = {
    'mti_net_nyud_hrnet_w18': 20,
    'pad_net_nyud_hrnet_w18': 8,
    'multi_task_baseline_nyud_hrnet_w18': 4,
    'cross_stitch_pascal_resnet18': 5,
    'mtan_pascal_resnet18': 5,
}
ENCODERS = dict(cross_stitch='CrossStitchEncoder', nddr_cnn='NDDREncoder', mtan='MTANEncoder')
#: The survey's "HRNet-w18" is timm's small v2.
HRNET_NAMES = dict(hrnet_w18='hrnet_w18_small_v2', hrnet_w48='hrnet_w48')


def our_config(name: str) -> dict[str, Any]:
    """The config of our model."""
    method, backbone, main, *rest = MODELS_OF_THE_SURVEY[name]
    auxiliary = rest[0] if rest else main
    tasks = dict(
        semseg=dict(type='SemSegTask', num_classes=auxiliary.get('semseg')),
        human_parts=dict(type='HumanPartsTask'),
        sal=dict(type='SaliencyTask', num_channels=1),
        normals=dict(type='NormalsTask'),
        edge=dict(type='EdgeTask'),
        depth=dict(type='DepthTask'),
    )
    if backbone in HRNETS:
        encoder = dict(
            type='TimmBackbone',
            model_name=HRNET_NAMES[backbone],
            out_indices=(1, 2, 3, 4),
            upsample_mode='bilinear',
            model_kwargs=dict(feature_location=''),
        )
    elif method in ENCODERS:
        encoder = dict(type=ENCODERS[method], model_name=backbone)
    else:
        encoder = dict(
            type='TimmBackbone',
            model_name=backbone,
            out_indices=(4,),
            model_kwargs=dict(output_stride=8),
        )
    head = dict(type='HRNetHead' if backbone in HRNETS else 'ASPPHead')
    decoders = dict(
        mti_net=dict(type='MTINetDecoder', main_tasks=[TASKS[task] for task in main]),
        pad_net=dict(type='PADNetDecoder', main_tasks=[TASKS[task] for task in main]),
    )
    return dict(
        type='MultiTaskModel',
        backbone=encoder,
        decoder=decoders.get(method, dict(type='SingleHeadsDecoder', head=head)),
        tasks={TASKS[task]: tasks[task] for task in auxiliary},
    )


def run_original(name: str, survey: Survey, image: Tensor) -> dict[str, Tensor]:
    """The outputs of the second implementation, auxiliary ones as ``<group>/<task>``."""
    method, *arguments = MODELS_OF_THE_SURVEY[name]
    with torch.no_grad():
        final, groups = getattr(survey, method)(image, *arguments)
    auxiliary = {f'{g}/{TASKS[task]}': x for g, maps in groups.items() for task, x in maps.items()}
    return {TASKS[task]: map_ for task, map_ in final.items()} | auxiliary


def run_ours(model: torch.nn.Module, image: Tensor) -> dict[str, Tensor]:
    """The same of ours; the final ones are resized, which the survey's networks do themselves."""
    with torch.no_grad():
        output = model.decoder(model.extract_feat(image))
    final = {
        task: interpolate(map_, size=image.shape[-2:], mode='bilinear')
        for task, map_ in output.predictions.items()
    }
    groups = output.auxiliary.items()
    return final | {f'{g}/{task}': x for g, maps in groups for task, x in maps.items()}


def convert(name: str, weights: dict[str, Tensor]) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Convert a checkpoint as the survey's code writes them during training."""
    checkpoint = dict(
        model={f'module.{key}': value for key, value in weights.items()},
        optimizer=dict(state={}, param_groups=[dict(lr=1e-4)]),
        epoch=7,
        best_result=dict(multi_task_performance=0.1),
    )
    task = 'depth' if 'single_task_depth' in name else None
    return from_official(weights_of_checkpoint(checkpoint), task)


def random_image(height: int, width: int) -> Tensor:
    noise = np.random.default_rng(0).standard_normal((1, 3, height, width))
    return torch.from_numpy(noise.astype(np.float32))


def empty(name: str, shape: tuple[int, ...]) -> Tensor:
    return torch.empty(shape, device='meta')


@pytest.mark.parametrize('name', WITH_GOLDEN_NUMBERS)
def test_converted_weights_give_the_published_outputs(name):
    shapes = json.loads((GOLDEN / f'{name}.json').read_text())
    weights, meta = convert(name, {key: fill(key, shape) for key, shape in shapes.items()})
    model = MODELS.build(our_config(name)).eval()
    assert meta['tasks'] == list(model.tasks)
    model.load_state_dict(weights, strict=True)
    ours = run_ours(model, random_image(*((512, 512) if 'pascal' in name else (448, 576))))
    golden = np.load(GOLDEN / f'{name}.npz')
    assert {key for key in golden.files if '|' not in key} == ours.keys()
    assert len(ours) == WITH_GOLDEN_NUMBERS[name]
    for key, map_ in ours.items():
        stride = int(golden[f'{key}|stride'])
        error = np.abs(map_.numpy()[:, :, ::stride, ::stride] - golden[key]).max()
        assert error < 1e-5 * golden[f'{key}|max'], key


@pytest.mark.parametrize('name', WITH_GOLDEN_NUMBERS)
def test_the_second_implementation_has_the_published_names_and_shapes(name):
    survey = Survey(empty)
    run_original(name, survey, torch.empty(1, 3, 64, 96, device='meta'))
    shapes = {key: list(value.shape) for key, value in survey.weights.items()}
    assert shapes == json.loads((GOLDEN / f'{name}.json').read_text())


# Those with golden numbers prove the second implementation, which proves ours of the others.
@pytest.mark.parametrize(
    'name',
    [
        'mti_net_nyud_hrnet_w18',
        'mti_net_nyud2_hrnet_w18',
        'mti_net_nyud2aux4_hrnet_w18',
        'mti_net_pascal_hrnet_w18',
        'pad_net_nyud_hrnet_w18',
        'pad_net_nyud2aux4_hrnet_w18',
        'multi_task_baseline_nyud_hrnet_w18',
        'multi_task_baseline_nyud2_resnet50',
        'single_task_depth_nyud_hrnet_w18',
        'nddr_cnn_pascal3_resnet18',
        'mtan_nyud2_resnet50',
    ],
)
def test_two_implementations_agree(name):
    survey = Survey()
    image = random_image(64, 96)
    expected = run_original(name, survey, image)
    weights, meta = convert(name, survey.weights)
    model = MODELS.build(our_config(name)).eval()
    assert meta['tasks'] == list(model.tasks)
    assert meta.get('main_tasks', meta['tasks']) == list(model.decoder.heads)
    model.load_state_dict(weights, strict=True)
    ours = run_ours(model, image)
    assert ours.keys() == expected.keys()
    for key, map_ in expected.items():
        assert (ours[key] - map_).abs().max() < 1e-5 * map_.abs().max(), key


# Counted on instances of the survey's code; None where its description gives no number.
@pytest.mark.parametrize(
    ('name', 'parameters', 'entries'),
    [
        ('mti_net_nyud_hrnet_w18', 17_960_945, 1682),
        ('mti_net_nyud_hrnet_w48', 165_402_153, 2648),
        ('mti_net_nyud2aux4_hrnet_w18', 14_838_121, 1616),
        ('mti_net_pascal_hrnet_w18', 24_494_171, 1889),
        ('pad_net_nyud_hrnet_w18', 19_521_848, 1223),
        ('pad_net_nyud2aux4_hrnet_w18', 12_161_332, None),
        ('pad_net_pascal_hrnet_w18', 29_304_992, None),
        ('multi_task_baseline_nyud_hrnet_w18', 4_167_755, 900),
        ('multi_task_baseline_nyud2_resnet50', 55_769_449, None),
        ('multi_task_baseline_pascal_resnet18', 34_795_873, None),
        ('single_task_semseg_nyud_hrnet_w18', 3_945_270, None),
        ('single_task_semseg_pascal_resnet18', 15_904_085, None),
        ('cross_stitch_pascal_resnet18', 79_525_921, 920),
        ('nddr_cnn_nyud2_resnet50', None, None),
        ('nddr_cnn_pascal_resnet18', 88_318_561, None),
        ('mtan_pascal_resnet18', 36_613_425, 692),
    ],
)
def test_every_name_and_shape_has_its_place_in_ours(name, parameters, entries):
    survey = Survey(empty)
    run_original(name, survey, torch.empty(1, 3, 64, 96, device='meta'))
    assert entries in (None, len(survey.weights))
    with torch.device('meta'):
        model = MODELS.build(our_config(name))
    weights, _ = convert(name, survey.weights)
    ours = model.state_dict()
    assert {k: v.shape for k, v in weights.items()} == {k: v.shape for k, v in ours.items()}
    assert parameters in (None, sum(p.numel() for p in model.parameters()))


def test_an_unknown_main_task_names_the_nearest():
    cfg = our_config('mti_net_nyud_hrnet_w18')
    cfg['decoder']['main_tasks'] = ['depht']
    with torch.device('meta'), pytest.raises(ValueError, match="unknown task 'depht'.*'depth'"):
        MODELS.build(cfg)


def test_mti_net_refuses_scales_that_do_not_double():
    decoder = MODELS.build(
        dict(type='MTINetDecoder', in_channels=(4, 8), out_channels=dict(depth=1))
    )
    with pytest.raises(ValueError, match='doubles each scale'):
        decoder([torch.zeros(1, 4, 10, 10), torch.zeros(1, 8, 4, 5)])


def official(name: str) -> dict[str, Tensor]:
    """The published names and shapes, as tensors that take no memory."""
    shapes = json.loads((GOLDEN / f'{name}.json').read_text())
    return {key: empty(key, shape) for key, shape in shapes.items()}


def test_a_checkpoint_with_a_stray_weight_is_refused():
    weights = official('pad_net_nyud_hrnet_w18')
    weights['backbone.1.extra.weight'] = torch.empty(1)
    with pytest.raises(ValueError, match='backbone.1.extra.weight'):
        from_official(weights)


def test_a_cross_stitch_without_one_of_its_vectors_is_refused():
    weights = official('cross_stitch_pascal_resnet18')
    del weights['cross_stitch.layer2.cross_stitch_unit.sal.edge.param']
    with pytest.raises(ValueError, match='1 modules without weights: cross_stitch.layer2'):
        from_official(weights)


def test_a_single_task_model_tells_its_task_unless_it_predicts_one_channel():
    survey = Survey(empty)
    run_original('single_task_depth_nyud_hrnet_w18', survey, random_image(64, 64).to('meta'))
    with pytest.raises(ValueError, match="task='None'.*single-task.*depth"):
        from_official(survey.weights)
    for channels, task in ((40, 'semseg'), (21, 'semseg'), (7, 'human_parts'), (3, 'normals')):
        survey.weights['decoder.last_layer.3.weight'] = torch.empty(channels, 270, 1, 1)
        assert from_official(survey.weights)[1]['tasks'] == [task]


def test_another_program_s_weights_are_refused():
    with pytest.raises(ValueError, match='not the weights of a model of the survey'):
        from_official({'backbone.conv1.weight': torch.empty(1)})
