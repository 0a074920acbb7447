"""Panels: every picture at its place, whatever is missing."""

import numpy as np
import pytest
import torch
from mmengine.structures import PixelData
from toy import random_label

from mtl3d.structures import LABEL_SPECS, MultiTaskDataSample
from mtl3d.visualization import panel
from mtl3d.visualization.colors import color_classes
from mtl3d.visualization.panel import draw_panel, sample_rows

TASKS = tuple(LABEL_SPECS)


def make_rows(titles, height=12, width=16, tasks=TASKS):
    generator = torch.Generator().manual_seed(0)
    return {
        title: {task: random_label(task, height, width, generator).numpy() for task in tasks}
        for title in titles
    }


def tile_at(picture, column, row, size):
    x = panel.GUTTER + column * (size[0] + panel.GAP)
    y = panel.HEADER + row * (size[1] + panel.GAP)
    return picture[y : y + size[1], x : x + size[0]]


def test_pictures_stand_in_their_cells_enlarged_without_blending():
    image = np.random.default_rng(0).integers(0, 256, (12, 16, 3)).astype(np.uint8)
    rows = make_rows(['truth', 'prediction'], tasks=('semseg', 'edge'))
    drawn = draw_panel(image, rows, tile_side=64)
    for row, title in enumerate(rows):
        expected = np.kron(color_classes(rows[title]['semseg'][0]), np.ones((4, 4, 1)))
        assert (tile_at(drawn, 1, row, (64, 48)) == expected).all()
        edge = tile_at(drawn, 2, row, (64, 48))[::4, ::4, 0]
        assert (edge == 255 - 255 * rows[title]['edge'][0]).all()
    first = tile_at(drawn, 0, 0, (64, 48)).astype(float)
    assert np.abs(first.reshape(12, 4, 16, 4, 3).mean((1, 3)) - image).mean() < 30


def test_all_rows_share_the_depth_range_of_the_truth():
    image = np.zeros((4, 4, 3), dtype=np.uint8)
    truth = np.linspace(1, 2, 16, dtype=np.float32).reshape(1, 4, 4)
    rows = {'truth': {'depth': truth}, 'prediction': {'depth': truth * 3}}
    drawn = draw_panel(image, rows, tile_side=4)
    far = tile_at(drawn, 1, 1, (4, 4))
    assert (far == far[0, 0]).all()  # everything lies behind the farthest true pixel
    assert len(np.unique(tile_at(drawn, 1, 0, (4, 4)).reshape(-1, 3), axis=0)) > 8


def test_missing_fields_are_said_not_drawn():
    image = np.zeros((60, 80, 3), dtype=np.uint8)
    rows = make_rows(['truth', 'prediction'], 60, 80, tasks=('depth', 'edge'))
    del rows['truth']['depth'], rows['prediction']['edge']
    drawn = draw_panel(image, rows, tile_side=80)
    no_label, no_prediction = tile_at(drawn, 1, 0, (80, 60)), tile_at(drawn, 2, 1, (80, 60))
    for cell in (no_label, no_prediction):
        assert (cell[0, 0] == panel.EMPTY).all()
        assert (cell != panel.EMPTY).any()  # the words
    assert (no_label != no_prediction).any()


@pytest.mark.parametrize('size', [(96, 128), (448, 576), (300, 120), (1, 1)])
@pytest.mark.parametrize('titles', [[], ['prediction'], ['truth', 'prediction', 'rendered']])
def test_any_image_and_any_number_of_rows(size, titles):
    rows = make_rows(titles, *size)
    metainfo = dict(classes=dict(semseg=['a', 'b' * 60, 'c', 'd', 'e']))
    image = np.zeros((*size, 3), dtype=np.uint8)
    drawn = draw_panel(image, rows, metainfo=metainfo, caption='a name\nand more')
    assert drawn.dtype == np.uint8 and drawn.ndim == 3 and max(drawn.shape) < 3000


def test_a_legend_appears_when_the_classes_have_names():
    image = np.zeros((60, 80, 3), dtype=np.uint8)
    rows = make_rows(['truth'], 60, 80, tasks=('semseg',))
    plain = draw_panel(image, rows)
    named = draw_panel(image, rows, metainfo=dict(classes=dict(semseg=list('abcde'))))
    assert named.shape[0] > plain.shape[0]


def test_the_palette_of_the_data_set_is_used():
    image = np.zeros((4, 4, 3), dtype=np.uint8)
    rows = {'truth': {'semseg': np.zeros((1, 4, 4), dtype=np.int64)}}
    drawn = draw_panel(image, rows, metainfo=dict(palette=dict(semseg=[(9, 99, 199)])), tile_side=4)
    assert (tile_at(drawn, 1, 0, (4, 4)) == (9, 99, 199)).all()


def test_wrong_input_is_refused():
    with pytest.raises(ValueError, match='image'):
        draw_panel(np.zeros((4, 4, 3)), {})
    with pytest.raises(ValueError, match="'depht'"):
        draw_panel(np.zeros((4, 4, 3), dtype=np.uint8), {}, tasks=['depht'])


def test_sample_rows_names_what_is_there():
    sample = MultiTaskDataSample()
    sample.gt = PixelData()
    sample.pred = PixelData(edge=torch.zeros(1, 2, 2))
    sample.pred_regularizer = PixelData(edge=torch.ones(1, 2, 2))
    rows = sample_rows(sample)
    assert list(rows) == ['prediction', 'rendered']
    assert rows['rendered']['edge'].all()
