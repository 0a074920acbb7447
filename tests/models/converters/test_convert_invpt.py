"""Published InvPT checkpoints to ours and back, by the function and by the command."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch
from invpt_golden import derived_shapes, model_config, official_shapes

from mtl3d.models.converters import convert_file, rename, weights_of_checkpoint
from mtl3d.models.converters.invpt import from_official, to_official
from mtl3d.registry import MODELS

TOOL = Path(__file__).parents[3] / 'tools' / 'model_converters' / 'invpt.py'


def empty_official(backbone: str = 'vitb', dataset: str = 'nyud') -> dict[str, torch.Tensor]:
    """The published names, with tensors that take no memory."""
    shapes = derived_shapes(backbone, dataset)
    return {name: torch.empty(shape, device='meta') for name, shape in shapes.items()}


def our_state(backbone: str, dataset: str) -> dict[str, torch.Tensor]:
    with torch.device('meta'):
        return MODELS.build(model_config(backbone, dataset)).state_dict()


def test_the_stored_names_follow_from_themselves():
    assert derived_shapes('vitb', 'nyud') == official_shapes()


@pytest.mark.parametrize('dataset', ['nyud', 'pascal'])
@pytest.mark.parametrize('backbone', ['vitb', 'vitl'])
def test_every_published_name_and_shape_has_its_place_in_ours(backbone, dataset):
    converted, meta = from_official(empty_official(backbone, dataset))
    ours = our_state(backbone, dataset)
    assert {k: v.shape for k, v in converted.items()} == {k: v.shape for k, v in ours.items()}
    assert meta['tasks'] == list(model_config(backbone, dataset)['tasks'])


def test_tasks_are_numbered_in_the_published_order():
    state = our_state('vitb', 'pascal')
    published = dict(zip(state, to_official(state)[0], strict=True))
    prefix = 'multi_task_decoder.invpt.'
    assert published['decoder.reductions.1.saliency.weight'] == f'{prefix}redu_chan.1.2.weight'
    assert published['decoder.stages.2.up.edge.1.norm.running_var'] == (
        f'{prefix}invpt_stages.2.patch_embed.4.proj.5.running_var'
    )
    assert published['decoder.stages.0.attention.query_conv.normals.conv.weight'] == (
        f'{prefix}invpt_stages.0.blocks.0.attn.conv_proj_q.3.conv.weight'
    )
    assert published['decoder.heads.saliency.conv.bias'] == 'heads.sal.linear_pred.bias'


# Numbers of tensors in the published checkpoints.
@pytest.mark.parametrize(
    ('backbone', 'dataset', 'tensors'),
    [
        ('vitl', 'nyud', 654),
        ('vitb', 'nyud', 510),
        ('vitl', 'pascal', 727),
        ('vitb', 'pascal', 583),
    ],
)
def test_there_and_back_for_every_published_model(backbone, dataset, tensors):
    ours = our_state(backbone, dataset)
    official, meta = to_official(ours)
    assert len(official) == len(ours) == tensors
    assert ('sal' in meta['tasks']) == (dataset == 'pascal')
    again, _ = from_official(official)
    assert again.keys() == ours.keys()
    assert all(again[name] is ours[name] for name in ours)


def test_a_regularizer_stays_at_home():
    ours = our_state('vitb', 'nyud')
    assert to_official(ours | {'regularizer.x': torch.zeros(1)})[0].keys() == (
        to_official(ours)[0].keys()
    )


def test_an_unknown_weight_and_a_missing_module_are_named():
    weights = empty_official()
    weights['multi_task_decoder.surprise.weight'] = torch.empty(1)
    removed = 'multi_task_decoder.invpt.mix_proj.depth.0'
    del weights[f'{removed}.weight'], weights[f'{removed}.bias']
    message = f'1 unknown weights: multi_task_decoder.surprise.weight.*1 modules.*{removed}'
    with pytest.raises(ValueError, match=message):
        from_official(weights)


def test_rename_keeps_order_and_takes_whole_subtrees():
    weights = {'b.x.y.w': torch.zeros(1), 'a.w': torch.ones(1)}
    assert list(rename(weights, {'a': 'A.z', 'b.*': 'B.*'})) == ['B.x.y.w', 'A.z.w']


def test_weights_are_found_in_a_training_checkpoint():
    weight = torch.zeros(1)
    checkpoint = dict(model={'module.a.b': weight}, optimizer={}, epoch=3)
    assert weights_of_checkpoint(checkpoint) == {'a.b': weight}
    with pytest.raises(ValueError, match='no checkpoint with weights'):
        weights_of_checkpoint(dict(epoch=3))


def toy_conversion(weights: dict) -> tuple[dict, dict]:
    return rename(weights, {'a': 'z'}), dict(tasks=['depth'])


def test_file_to_file(tmp_path):
    source, target = tmp_path / 'official.pth.tar', tmp_path / 'ours.pth'
    torch.save(dict(model={'module.a.w': torch.arange(3.0)}, iter_count=7), source)
    report = convert_file(source, target, toy_conversion)
    assert 'a.w -> z.w' in report and '1 tensors' in report
    written = torch.load(target, weights_only=True)
    assert torch.equal(written['state_dict']['z.w'], torch.arange(3.0))
    assert written['meta'] == dict(tasks=['depth'])
    with pytest.raises(FileNotFoundError, match='folder'):
        convert_file(source, tmp_path / 'nowhere' / 'x.pth', toy_conversion)


def test_the_command_says_in_one_line_what_is_wrong(tmp_path):
    source = tmp_path / 'other.pth'
    torch.save({'layer1.weight': torch.zeros(1)}, source)
    done = subprocess.run(
        [sys.executable, TOOL, source, tmp_path / 'out.pth'], capture_output=True, text=True
    )
    assert done.returncode != 0
    assert done.stderr.startswith(
        'invpt.py: error: The checkpoint does not have the expected structure'
    )
    assert 'layer1.weight' in done.stderr
    assert not (tmp_path / 'out.pth').exists()
