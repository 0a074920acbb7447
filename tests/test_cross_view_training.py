"""Two views from the files to the weights, by the configs."""

from pathlib import Path

import numpy as np
import pytest
import torch
from archives import make_nyud
from mmengine.dataset import pseudo_collate
from room_video import room_views, write_video

from mtl3d.apis.configuration import load_config
from mtl3d.datasets.colmap import FrameCamera, Pair, SceneCameras
from mtl3d.datasets.synthesis import SynthRoomsSpec, write_synth_rooms
from mtl3d.registry import DATASETS, MODELS

CONFIGS = Path(__file__).parents[1] / 'configs' / 'invpt'


def test_a_step_of_the_small_config_learns_from_second_views(tmp_path, monkeypatch):
    list(
        write_synth_rooms(tmp_path, SynthRoomsSpec(train_rooms=1, val_rooms=0, views=2, samples=1))
    )
    monkeypatch.setenv('DATA_ROOT', str(tmp_path))
    cfg = load_config(CONFIGS / 'invpt_vitt_synthrooms_3dreg_crossview.py')
    dataset = DATASETS.build(cfg.train_dataloader.dataset)
    model = MODELS.build(cfg.model).train()
    model.regularizer_weight = 4.0
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-4)
    before = model.regularizer.fields.tasks['depth'].read_out.weight.clone()
    batch = model.data_preprocessor(pseudo_collate([dataset[0], dataset[1]]), training=True)
    losses = model(**batch, mode='loss')
    for task in cfg.model.tasks:
        assert losses[f'cross_view.loss_{task}'] > 0, task
    model.parse_losses(losses)[0].backward()
    optimizer.step()
    assert not torch.equal(model.regularizer.fields.tasks['depth'].read_out.weight, before)


@pytest.mark.parametrize('variant', ['', '_3dreg', '_3dreg_crossview'])
def test_the_data_of_the_video_configs(tmp_path, monkeypatch, variant):
    make_nyud(tmp_path / 'labelled', size=(60, 80))
    views = room_views(count=3, size=(60, 80), arc_degrees=5)
    write_video(tmp_path, views, 'room_out')
    cameras = {
        str(n): FrameCamera(v.camera.intrinsics, v.camera.camera_to_world)
        for n, v in enumerate(views, start=1)
    }
    (tmp_path / 'cameras').mkdir()
    pairs = [Pair(('1', '2'), 30, 1.0, 0.1, (0.9, 0.9), 0.01)]
    SceneCameras(cameras, pairs, 1.0, []).write(tmp_path / 'cameras' / 'room_out.json')
    monkeypatch.setenv('DATA_ROOT', str(tmp_path / 'labelled'))
    monkeypatch.setenv('VIDEO_ROOT', str(tmp_path))
    monkeypatch.setenv('CAMERAS', str(tmp_path / 'cameras'))
    cfg = load_config(CONFIGS / f'invpt_vitl_nyudvideo{variant}.py')
    dataset = DATASETS.build(cfg.train_dataloader.dataset)
    repeat = 60
    assert len(dataset) == 3 * repeat + 3
    samples = [dataset[i]['data_samples'] for i in (0, 3 * repeat, 3 * repeat + 2)]
    assert ['second' in s for s in samples] == [False, variant == '_3dreg_crossview', False]
    assert set(samples[0].gt.keys()) == {'semseg', 'depth', 'normals', 'edge'}
    assert list(samples[1].gt.keys()) == ['depth']
    assert np.isfinite(samples[1].intrinsics).all()
