"""The code by which the documents add a data set, a regularizer and a hook runs as printed."""

import re
from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
import torch
from mmengine.logging import MessageHub
from torch.nn.functional import avg_pool2d

from mtl3d.apis.configuration import load_config
from mtl3d.registry import DATASETS, HOOKS, MODELS

ROOT = Path(__file__).parents[1]


def code_blocks(page: str, section: str) -> list[str]:
    """The Python blocks below a heading of a document."""
    text = (ROOT / 'docs' / page).read_text().split(f'\n## {section}\n')[1].split('\n## ')[0]
    return re.findall(r'```python\n(.*?)```', text, re.DOTALL)


def test_data_set(tmp_path, monkeypatch):
    module, config = code_blocks('datasets.md', 'Adding a data set')
    project, data = tmp_path / 'projects/mine', tmp_path / 'data/mine'
    for folder in (project / 'configs', *(data / n for n in ('images', 'labels', 'depth'))):
        folder.mkdir(parents=True)
    (project / 'my_dataset.py').write_text(module)
    path = project / 'configs' / 'invpt_vitt_mine.py'
    path.write_text(config.replace('../../../configs', str(ROOT / 'configs')))
    for split in ('train', 'val'):
        (data / f'{split}.txt').write_text(f'{split}1\n')
        cv2.imwrite(str(data / f'images/{split}1.png'), np.full((96, 128, 3), 90, np.uint8))
        cv2.imwrite(str(data / f'labels/{split}1.png'), np.ones((96, 128), np.uint8))
        np.save(data / f'depth/{split}1.npy', np.full((96, 128), 2.0, np.float32))
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.chdir(tmp_path)
    cfg = load_config(path)
    try:
        for loader in (cfg.train_dataloader, cfg.val_dataloader):
            (item,) = DATASETS.build(loader.dataset)
            gt = item['data_samples'].gt
            assert set(gt.keys()) == {'semseg', 'depth'} == set(cfg.model.tasks)
            assert gt.semseg.eq(1).all() and gt.depth.shape == (1, 96, 128)
        model = MODELS.build(cfg.model)
        batch = dict(inputs=[item['inputs']], data_samples=[item['data_samples']])
        losses = model.loss(**model.data_preprocessor(batch, training=True))
        assert {'decoder.loss_depth', 'regularizer.loss_semseg'} <= set(losses)
    finally:
        DATASETS.module_dict.pop('MyDataset')


def test_regularizer():
    (code,) = code_blocks('regularizer.md', 'One of your own')
    exec(compile(code, 'regularizer.md', 'exec'), {})
    try:
        sizes = dict(in_channels=(8,), out_channels=dict(depth=1, semseg=5), render_size=(4, 6))
        smooth = MODELS.build(dict(type='SmoothTriplane', **sizes)).eval()
        plain = MODELS.build(dict(type='TriplaneRegularizer', **sizes)).eval()
        plain.load_state_dict(smooth.state_dict())
        features = [torch.randn(2, 8, 4, 6)]
        assert smooth(features)['semseg'].shape == (2, 5, 4, 6)
        expected = avg_pool2d(plain.planes(features).xz, 3, stride=1, padding=1)
        assert torch.equal(smooth.planes(features).xz, expected)
    finally:
        MODELS.module_dict.pop('SmoothTriplane')


def test_hook():
    (code,) = code_blocks('training.md', 'Memory and speed')
    exec(compile(code, 'training.md', 'exec'), {})
    try:
        hook = HOOKS.build(dict(type='AlphaOffHook', begin=3))
        runner = SimpleNamespace(
            model=SimpleNamespace(regularizer_weight=4.0),
            message_hub=MessageHub.get_instance('alpha off'),
        )
        for runner.iter, expected in ((2, 4.0), (3, 0.0)):
            hook.before_train_iter(runner, 0)
            assert runner.model.regularizer_weight == pytest.approx(expected)
        assert runner.message_hub.get_scalar('train/alpha').current() == 0
    finally:
        HOOKS.module_dict.pop('AlphaOffHook')
