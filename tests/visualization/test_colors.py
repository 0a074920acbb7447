"""Colours say what the value is, and never hide that there is none."""

import cv2
import numpy as np
import pytest

from mtl3d.structures import LABEL_SPECS, LabelSpec
from mtl3d.visualization.colors import (
    HATCH,
    class_colors,
    color_binary,
    color_classes,
    color_depth,
    color_normals,
    color_overlay,
    colorize,
    depth_range,
)


def is_hatched(pixels):
    return (pixels[:, None] == np.array(HATCH)).all(axis=-1).any(axis=-1)


def test_class_colors_are_voc_unless_given():
    # Documented colours of the VOC development kit: background, aeroplane, bicycle, tv monitor.
    colors = class_colors()
    assert colors[[0, 1, 2, 20]].tolist() == [[0, 0, 0], [128, 0, 0], [0, 128, 0], [0, 64, 128]]
    assert class_colors([(1, 2, 3)])[[0, 1]].tolist() == [[1, 2, 3], [128, 0, 0]]


def test_depth_is_brighter_when_nearer_and_clipped():
    depth = np.array([[0.5, 1.0, 2.0, 3.0, 9.0]])
    grey = color_depth(depth, (1.0, 3.0)).astype(int).sum(axis=-1)[0]
    assert grey[0] == grey[1] > grey[2] > grey[3] == grey[4]


def test_depth_range_ignores_invalid_and_outliers():
    depth = np.linspace(1, 3, 10000).reshape(100, 100)
    depth[0, 0] = 1000.0
    depth[1, :50] = 0
    depth[2, 0] = np.nan
    near, far = depth_range(depth)
    assert near == pytest.approx(1.03, abs=0.02) and far == pytest.approx(2.98, abs=0.02)
    assert depth_range(np.zeros((2, 2))) == (0.0, 1.0)
    assert depth_range() == (0.0, 1.0)
    flat = depth_range(np.full((2, 2), 2.0))
    assert flat[1] > flat[0]  # no division by zero when it is drawn


def test_normals_follow_the_stored_encoding_of_nyud():
    axes = np.array([[1, 0, 0], [-1, 0, 0], [0, 1, 0], [0, 0, 1], [0, 0, -1]], dtype=np.float32)
    colors = color_normals(axes.T[:, None])[0].astype(float)
    # n = 2 v / 255 - 1 is how the published NYUv2 and PASCAL pictures are read.
    assert np.abs(2 * colors / 255 - 1 - axes).max() <= 1 / 255 + 1e-6


def test_normals_of_any_length_have_the_colour_of_their_direction():
    normals = np.random.default_rng(0).normal(size=(3, 4, 5))
    assert (color_normals(normals) == color_normals(7 * normals)).all()


def test_edges_are_dark_on_light_and_saliency_light_on_dark():
    values = np.array([[0.0, 0.5, 1.0]])
    assert color_binary(values, dark_on_light=True)[0, :, 0].tolist() == [255, 128, 0]
    assert color_binary(values)[0, :, 0].tolist() == [0, 128, 255]
    edge = colorize('edge', values[None], LABEL_SPECS['edge'])
    assert (edge == color_binary(values, dark_on_light=True)).all()


def test_overlay_keeps_salient_pixels_and_dims_the_rest():
    image = np.full((1, 2, 3), 200, dtype=np.uint8)
    drawn = color_overlay(np.array([[1.0, 0.0]]), image)
    assert drawn[0, :, 0].tolist() == [200, 60]


@pytest.mark.parametrize(
    ('task', 'field', 'bad'),
    [
        ('semseg', np.zeros((1, 8, 8), dtype=np.int64), 255),
        ('depth', np.ones((1, 8, 8), dtype=np.float32), 0),
        ('depth', np.ones((1, 8, 8), dtype=np.float32), np.nan),
        ('normals', np.ones((3, 8, 8), dtype=np.float32), 0),
        ('normals', np.ones((3, 8, 8), dtype=np.float32), np.nan),
        ('edge', np.zeros((1, 8, 8), dtype=np.float32), 255),
        ('saliency', np.zeros((1, 8, 8), dtype=np.float32), 255),
    ],
)
def test_invalid_pixels_are_hatched_and_only_those(task, field, bad):
    field = field.copy()
    field[:, 2:5, 1:7] = bad
    invalid = np.zeros((8, 8), dtype=bool)
    invalid[2:5, 1:7] = True
    image = np.full((8, 8, 3), 255, dtype=np.uint8)
    drawn = colorize(task, field, LABEL_SPECS[task], image=image)
    assert drawn.shape == (8, 8, 3) and drawn.dtype == np.uint8
    assert is_hatched(drawn[invalid]).all()
    assert not is_hatched(drawn[~invalid]).any()
    assert len(np.unique(drawn[invalid], axis=0)) == 2  # stripes, not one flat grey


def test_a_projects_own_task_is_drawn_by_its_spec():
    albedo = np.zeros((3, 2, 2), dtype=np.float32)
    albedo[0, 0, 0] = 1
    drawn = colorize('albedo', albedo, LabelSpec(channels=3))
    assert drawn[0, 0].tolist() == [255, 0, 0]
    scalar = colorize('disparity', np.ones((1, 2, 2), dtype=np.float32), LabelSpec())
    assert scalar.shape == (2, 2, 3)


def test_class_map_uses_the_palette():
    drawn = color_classes(np.array([[0, 1]]), [(9, 8, 7), (6, 5, 4)])
    assert drawn[0].tolist() == [[9, 8, 7], [6, 5, 4]]


def test_colour_maps_are_rgb_not_bgr():
    # The far end of magma is black-violet, the near end pale yellow: more red than blue.
    near = color_depth(np.array([[1.0]]), (1.0, 2.0))[0, 0]
    expected = cv2.applyColorMap(np.array([[255]], dtype=np.uint8), cv2.COLORMAP_MAGMA)[0, 0, ::-1]
    assert near.tolist() == expected.tolist() and near[0] > near[2]
