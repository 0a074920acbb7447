"""Genotypes: their forms, the files of the published program, and clear errors."""

import json

import pytest

from mtl3d.models.decoders.genotype import (
    CODES,
    SHIPPED,
    genotype_to_json,
    read_genotype,
    tasks_with_regions,
)

NYUD = ['semseg', 'depth', 'normals', 'edge']
PASCAL = ['semseg', 'human_parts', 'saliency', 'normals', 'edge']
LETTERS = dict(none='-', t_label='T', s_label='S') | {'global': 'G', 'local': 'L'}


def rows(genotype, tasks):
    return [
        ''.join(LETTERS[genotype[target].get(source, 'none')] for source in tasks)
        for target in tasks
    ]


# The tables of the paper's supplement: rows are targets, columns sources.
@pytest.mark.parametrize(
    ('name', 'tasks', 'expected', 'with_regions'),
    [
        ('nyud_hrnet18s', NYUD, ['TTSS', 'STSS', 'STTS', 'TTGT'], NYUD),
        ('nyud_hrnet48', NYUD, ['T--S', 'SGGS', 'SGGS', 'TTTT'], ['semseg', 'edge']),
        ('pascal_hrnet18s', PASCAL, ['TTS-S', 'TTSTS', 'TTTST', 'TTTTS', 'TTTGT'], PASCAL),
    ],
)
def test_shipped_genotypes(name, tasks, expected, with_regions):
    genotype = read_genotype(name, tasks)
    assert rows(genotype, tasks) == expected
    assert tasks_with_regions(genotype) == with_regions


def test_every_shipped_genotype_tells_its_source():
    assert len(SHIPPED) == 3
    assert all('ICCV 2021' in json.loads(path.read_text())['source'] for path in SHIPPED.values())


def test_one_context_for_all_pairs():
    assert rows(read_genotype('local', NYUD[:2]), NYUD[:2]) == ['LL', 'LL']
    assert tasks_with_regions(read_genotype('local', NYUD)) == []
    assert read_genotype('none', NYUD) == {task: {} for task in NYUD}


def test_a_dict_of_names_and_codes_in_the_order_of_the_tasks():
    genotype = read_genotype(dict(edge=dict(edge=1, depth='s_label', semseg=0)), NYUD)
    assert list(genotype) == NYUD
    assert genotype['edge'] == dict(depth='s_label', edge='global')
    assert list(genotype['edge']) == ['depth', 'edge']
    assert tasks_with_regions(genotype) == ['depth']


def test_a_published_file_calls_saliency_sal(tmp_path):
    path = tmp_path / 'atrc_genotype.json'
    path.write_text(json.dumps(dict(data=dict(sal=dict(sal=3, edge=4)), step=40000)))
    genotype = read_genotype(str(path), ['saliency', 'edge'])
    assert genotype['saliency'] == dict(saliency='t_label', edge='s_label')


def test_there_and_back(tmp_path):
    path = tmp_path / 'genotype.json'
    genotype = read_genotype('pascal_hrnet18s', PASCAL)
    path.write_text(genotype_to_json(genotype, step=123))
    assert json.loads(path.read_text())['step'] == 123
    assert read_genotype(str(path), PASCAL) == genotype


@pytest.mark.parametrize(
    ('genotype', 'message'),
    [
        (dict(depht={}), "unknown task 'depht'.*'depth'"),
        (dict(depth=dict(edgy=1)), "unknown task 'edgy'.*'edge'"),
        (dict(depth=dict(edge=5)), "unknown context '5'"),
        (dict(depth=dict(edge='label')), f"unknown context 'label'. Valid: {', '.join(CODES)}"),
    ],
)
def test_what_is_wrong_is_named(genotype, message):
    with pytest.raises(ValueError, match=message):
        read_genotype(genotype, NYUD)


def test_a_missing_file_lists_what_is_shipped():
    with pytest.raises(FileNotFoundError, match="genotype='nyud_hrnet50'.*nyud_hrnet48"):
        read_genotype('nyud_hrnet50', NYUD)


@pytest.mark.parametrize('text', ['[]', '{"step": 1}', 'T'])
def test_another_file_is_refused(tmp_path, text):
    path = tmp_path / 'x.json'
    path.write_text(text)
    with pytest.raises(ValueError, match='the file is no genotype'):
        read_genotype(str(path), NYUD)
