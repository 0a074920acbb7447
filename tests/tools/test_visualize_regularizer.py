"""The picture of what a regularizer has learnt, from the command line."""

import numpy as np
import pytest
import torch
import trimesh
from toy_run import ROOT

from mtl3d.apis import init_model
from mtl3d.utils.image_io import read_picture, write_png
from tools.visualize_regularizer import main

CONFIG = str(ROOT / 'configs/invpt/invpt_vitt_synthrooms_3dreg.py')
OPTIONS = ('--cfg-options', 'model.backbone.pretrained=False')


@pytest.fixture
def files(tmp_path):
    """A checkpoint of random weights, and an image."""
    model = init_model(CONFIG, cfg_options={'model.backbone.pretrained': False})
    torch.save(model.state_dict(), tmp_path / 'random.pth')
    noise = np.random.default_rng(0).integers(0, 256, (60, 80, 3), dtype=np.uint8)
    write_png(tmp_path / 'noise.png', noise)
    return str(tmp_path / 'random.pth'), str(tmp_path / 'noise.png')


def test_two_pictures_and_a_point_cloud(tmp_path, files):
    out = tmp_path / 'new' / 'folder'
    main([CONFIG, *files, '--out-dir', str(out), '--min-weight', '0', *OPTIONS])
    assert {path.name for path in out.iterdir()} == {
        f'noise_{part}' for part in ('volume.png', 'tasks.png', 'points.ply')
    }
    assert read_picture(out / 'noise_volume.png').std() > 0
    assert read_picture(out / 'noise_tasks.png').std() > 0
    regularizer = init_model(CONFIG, files[0]).regularizer
    height, width = regularizer.render_size
    cloud = trimesh.load(out / 'noise_points.ply')
    assert len(cloud.vertices) == height * width * regularizer.num_samples


def test_an_angle_that_no_camera_has_is_refused(files):
    with pytest.raises(ValueError, match='field_of_view=180.0'):
        main([CONFIG, *files, '--field-of-view', '180', *OPTIONS])
