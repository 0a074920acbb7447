"""Pictures and point clouds of the regularizer's volume."""

import numpy as np
import pytest
import torch
import trimesh
from toy import toy_batch, toy_model_cfg

from mtl3d.registry import MODELS
from mtl3d.visualization.regularizer import (
    Volume,
    draw_volume,
    point_cloud,
    read_volume,
    write_ply,
)

TRIPLANE = dict(
    type='TriplaneRegularizer', plane_channels=4, hidden_channels=5, render_size=(4, 6),
    num_samples=5, near=1.0, far=3.0,
)  # fmt: skip


def wall(at):
    """A volume in which every ray ends in sample ``at``, at 2 + at metres."""
    weights = np.zeros((4, 6, 3), np.float32)
    weights[..., at] = 1
    colors = np.arange(72, dtype=np.uint8).reshape(4, 6, 3)
    return Volume(weights.copy(), weights, np.array([2.0, 3.0, 4.0], np.float32), colors)


def test_the_volume_is_what_the_renderer_composites():
    model = MODELS.build(toy_model_cfg() | dict(regularizer=TRIPLANE)).eval()
    inputs = model.data_preprocessor(toy_batch(0), False)['inputs']
    volume = read_volume(model, inputs)
    with torch.no_grad():
        rendering = model.regularizer.render(model.regularizer.planes(model.extract_feat(inputs)))
    assert np.allclose(volume.opacity, rendering.opacity[0, 0], atol=1e-6)
    z = (rendering.depth / rendering.opacity)[0, 0].numpy()
    assert np.allclose(volume.expected_depth, 2 + z, atol=1e-5)  # [-1, 1] is 1 m to 3 m
    assert volume.colors.shape == (4, 6, 3)
    assert draw_volume(volume).dtype == np.uint8


def test_a_model_without_a_triplane_is_refused():
    model = MODELS.build(toy_model_cfg(regularizer=False)).eval()
    with pytest.raises(ValueError, match='no TriplaneRegularizer'):
        read_volume(model, torch.zeros(1, 3, 16, 24))


def test_points_project_onto_their_pixels():
    points, colors = point_cloud(wall(1), field_of_view=90)
    assert points.shape == (24, 3)
    assert np.allclose(points[:, 2], 3)
    # With a right angle, half the image is as wide as it is far.
    columns = points[:, 0] / points[:, 2] * 3 + 3
    rows = points[:, 1] / points[:, 2] * 3 + 2
    assert np.allclose(columns.reshape(4, 6), np.arange(6) + 0.5)
    assert np.allclose(rows.reshape(4, 6), np.arange(4)[:, None] + 0.5)
    assert np.array_equal(colors, wall(1).colors.reshape(-1, 3))


def test_the_ply_file_is_read_by_others(tmp_path):
    points, colors = point_cloud(wall(2))
    write_ply(tmp_path / 'points.ply', points, colors)
    cloud = trimesh.load(tmp_path / 'points.ply')
    assert np.allclose(cloud.vertices, points)
    assert np.array_equal(cloud.colors[:, :3], colors)
