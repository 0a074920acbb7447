"""A whole relation search: schedules, the genotype's file, a config that reads it, resume."""

import json

import pytest
from toy_run import same, toy_cfg

from mtl3d.apis.train import train
from mtl3d.models.decoders.genotype import read_genotype
from mtl3d.registry import HOOKS
from mtl3d.utils.compat import load_checkpoint_file

TASKS = ['semseg', 'depth', 'normals']
SEARCH = """
model['decoder'] = dict(type='ATRCSearchDecoder', channels=4)
custom_hooks = [dict(type='RelationSearchHook'), dict(type='GenotypeHook')]
optim_wrapper = dict(
    type='ArchitectureOptimWrapper',
    constructor='ArchitectureOptimWrapperConstructor',
    architecture_optimizer=dict(type='Adam', lr=0.05),
    clip_grad=dict(max_norm=10.0),
)
"""


@pytest.fixture(scope='module')
def search(tmp_path_factory):
    """A search of eight iterations, and its work dir with all checkpoints."""
    folder = tmp_path_factory.mktemp('search')
    runner = train(toy_cfg(folder, {'default_hooks.checkpoint.max_keep_ckpts': 4}, SEARCH))
    return runner, folder / 'work'


def test_search_then_train_what_it_found(tmp_path, search):
    runner, work = search
    path = work / 'genotype.json'
    written = json.loads(path.read_text())
    assert written['step'] == 8
    decoder = runner.model.decoder
    expected = {
        target: {source: context for source, context in sources.items() if context != 'none'}
        for target, sources in decoder.genotype().items()
    }
    assert read_genotype(str(path), TASKS) == expected
    # Adam has moved the choices away from the all-equal start.
    assert all(
        pair.architecture.abs().min() > 0
        for row in decoder.pairs().values()
        for pair in row.values()
    )
    # The last batch is the eighth: seven of eight steps along the schedules.
    temperature = 1.0 + 7 / 8 * (0.05 - 1.0)
    entropy_weight = -0.02 + 7 / 8 * 0.08
    assert decoder.entropy_weight == pytest.approx(entropy_weight)
    for row in decoder.pairs().values():
        assert [pair.temperature for pair in row.values()] == pytest.approx([temperature] * 3)
    hub = runner.message_hub
    assert hub.get_scalar('train/temperature').current() == pytest.approx(temperature)
    assert hub.get_scalar('train/entropy_weight').current() == pytest.approx(entropy_weight)

    tail = f"model['decoder'] = dict(type='ATRCDecoder', channels=4, genotype={str(path)!r})"
    found = train(toy_cfg(tmp_path, tail=tail)).model.decoder
    pairs = {target: list(row) for target, row in found.context.contexts.items()}
    assert pairs == {target: list(row) for target, row in expected.items()}


def test_a_resumed_search_repeats_an_uninterrupted_one(tmp_path, search):
    _, whole = search
    train(toy_cfg(tmp_path, tail=SEARCH), resume=whole / 'iter_6.pth')
    states = [load_checkpoint_file(work / 'iter_8.pth') for work in (whole, tmp_path / 'work')]
    for key in ('state_dict', 'optimizer'):
        assert not same(states[0][key], states[1][key], key)


@pytest.mark.parametrize('hook', ['RelationSearchHook', 'GenotypeHook'])
def test_hooks_refuse_a_model_without_a_search(tmp_path, hook):
    tail = f"custom_hooks = [dict(type='{hook}')]"
    with pytest.raises(
        ValueError, match='need an ATRCSearchDecoder, but the decoder is ToyDecoder'
    ):
        train(toy_cfg(tmp_path, tail=tail))


def test_a_temperature_of_zero_is_refused():
    with pytest.raises(ValueError, match=r'temperature=\(1.0, 0.0\)'):
        HOOKS.build(dict(type='RelationSearchHook', temperature=(1.0, 0.0)))
