"""The data part of the configs: it builds, and reads an archive of the published layout."""

from pathlib import Path

import pytest
from archives import make_nyud, make_pascal
from mmengine.config import Config

from mtl3d.models.data_preprocessor import MultiTaskDataPreprocessor
from mtl3d.registry import DATASETS, EVALUATOR

CONFIGS = Path(__file__).parents[2] / 'configs' / '_base_' / 'datasets'
MAKE = dict(nyud=make_nyud, pascal=make_pascal)
SIZES = dict(nyud=(448, 576), pascal=(512, 512))


@pytest.mark.parametrize('name', MAKE)
def test_config_reads_an_archive(tmp_path, monkeypatch, name):
    MAKE[name](tmp_path)
    monkeypatch.setenv('DATA_ROOT', str(tmp_path))
    cfg = Config.fromfile(CONFIGS / f'{name}.py')
    assert cfg.data_root == str(tmp_path)
    preprocess = MultiTaskDataPreprocessor(size=SIZES[name])
    for loader, training in ((cfg.train_dataloader, True), (cfg.val_dataloader, False)):
        dataset = DATASETS.build(loader.dataset)
        items = [dataset[i] for i in range(len(dataset))]
        batch = dict(
            inputs=[item['inputs'] for item in items],
            data_samples=[item['data_samples'] for item in items],
        )
        batch = preprocess(batch, training=training)
        assert batch['inputs'].shape[-2:] == SIZES[name]
        for sample in batch['data_samples']:
            expected = SIZES[name] if training else sample.ori_shape
            assert tuple(sample.gt.shape) == tuple(expected)
    assert cfg.train_dataloader.batch_size == 6
    assert cfg.train_dataloader.sampler.type == 'InfiniteSampler'


@pytest.mark.parametrize('name', MAKE)
def test_config_builds_its_evaluator(name):
    cfg = Config.fromfile(CONFIGS / f'{name}.py')
    evaluator = EVALUATOR.build(cfg.val_evaluator)
    assert len(evaluator.metrics) == len(cfg.val_evaluator.metrics)


@pytest.mark.parametrize('name', MAKE)
def test_without_an_archive_the_config_names_the_remedy(tmp_path, monkeypatch, name):
    monkeypatch.setenv('DATA_ROOT', str(tmp_path / 'nowhere'))
    cfg = Config.fromfile(CONFIGS / f'{name}.py')
    with pytest.raises(FileNotFoundError, match='DATA_ROOT'):
        DATASETS.build(cfg.train_dataloader.dataset)
