"""InvPT with the published program's weights gives the published program's numbers."""

from collections.abc import Iterator

import numpy as np
import pytest
import torch
from invpt_golden import DATA, golden_images, golden_model
from torch import Tensor, nn

from mtl3d.models.layers import map_to_tokens
from mtl3d.models.tasks.base import resize

TOLERANCE = 2e-5  # of a tensor's largest absolute value
TASKS = ('semseg', 'depth', 'normals', 'edge')


def hooked_modules(model: nn.Module) -> Iterator[tuple[str, nn.Module]]:
    """Published name of an intermediate result -> the module that makes it."""
    decoder = model.decoder
    yield 'backbone.patch_embed', model.backbone.model.patch_embed
    for index in (0, 1):
        yield f'scale_embed.{index}', decoder.skips[index]
    for task in TASKS:
        yield f'prelim.{task}', decoder.preliminary[task]
        yield f'interhead.{task}', decoder.preliminary_heads[task]
        yield f'mix.{task}', decoder.mix[task]
        yield f'mt_proj.{task}', decoder.project[task]
        yield f'head.{task}', decoder.heads[task]
        for stage in (1, 2):
            yield f'stage{stage}.up.{task}', decoder.stages[stage].up[task]
    for stage in range(3):
        attention = decoder.stages[stage].attention
        yield f'stage{stage}.q', attention.query
        yield f'stage{stage}.k', attention.key
        yield f'stage{stage}.v', attention.value
        yield f'stage{stage}.attn_out', attention.proj
        yield f'norm_mts.{stage}', decoder.stage_norms[stage]
        if stage:
            yield f'stage{stage}.fuse_attn', attention.fuse


def run(model: nn.Module) -> dict[str, Tensor]:
    """Every named result of one forward pass."""
    results: dict[str, Tensor] = {}

    def keep(name: str):
        return lambda module, inputs, output: results.update({name: output})

    def keep_stage(stage: int):
        def hook(module: nn.Module, inputs: tuple, output: tuple) -> None:
            for index, feature in enumerate(output[0].values()):
                results[f'stage{stage}.out.{index}'] = feature

        return hook

    for name, module in hooked_modules(model):
        module.register_forward_hook(keep(name))
    for stage in range(3):
        model.decoder.stages[stage].register_forward_hook(keep_stage(stage))
    images = golden_images(1)
    with torch.no_grad():
        features = model.extract_feat(images)
        output = model.decoder(features)
        results['scale_embed.2'] = model.decoder.skips[2](features[2])
    for index, feature in enumerate(features):
        results[f'backbone.sel.{index}'] = map_to_tokens(feature)
    for task in TASKS:
        size = images.shape[-2:]
        results[f'final.{task}'] = resize(output.predictions[task], size)
        results[f'inter.{task}'] = resize(output.auxiliary['inter'][task], size)
    return results


@pytest.fixture(scope='module', params=['', '_sens'])
def comparison(request) -> tuple[dict[str, Tensor], dict[str, np.ndarray]]:
    """Our results and the golden ones, for ordinary weights and for attention-sensitive ones."""
    golden = dict(np.load(DATA / f'invpt_nyud_vitb{request.param}.npz'))
    return run(golden_model(sensitive=bool(request.param))), golden


@pytest.mark.parametrize('task', TASKS)
@pytest.mark.parametrize('output', ['final', 'inter'])
def test_outputs(comparison, output, task):
    results, golden = comparison
    ours = results[f'{output}.{task}']
    step = 16 if ours.shape[1] > 3 else 8
    scale = golden[f'{output}.{task}.stat'][2]
    difference = np.abs(ours[:, :, ::step, ::step].numpy() - golden[f'{output}.{task}']).max()
    assert difference <= TOLERANCE * scale
    assert abs(ours.abs().max().item() - scale) <= TOLERANCE * scale
    assert (
        abs(ours.double().mean().item() - golden[f'{output}.{task}.stat'][0]) <= TOLERANCE * scale
    )


def test_intermediate_results(comparison):
    results, golden = comparison
    # The probabilities are inside the attention; its output, which is compared, depends on them.
    stored = {k.removeprefix('samp:') for k in golden if k.startswith('samp:') and 'step' not in k}
    names = {name for name in stored if not name.endswith('.attn_prob')}
    assert len(names) == len(stored) - 3
    wrong = {}
    for name in names:
        step = int(golden[f'samp:{name}.step'])
        ours = results[name].flatten()[::step][:2048].numpy()
        error = np.abs(ours - golden[f'samp:{name}']).max() / golden[f'stat:{name}'][2]
        if not error <= TOLERANCE:
            wrong[name] = error
    assert not wrong
