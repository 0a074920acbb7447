"""Looking at a data set."""

import torch
from toy import toy_sample

from mtl3d.utils.image_io import read_stored
from mtl3d.visualization.browse import draw_item, spread_indices
from mtl3d.visualization.panel import GUTTER, HEADER, to_picture


def test_an_item_is_drawn_as_the_pipeline_made_it(tmp_path):
    items = [toy_sample(3), toy_sample(4)]
    (path,) = draw_item(items, 1, tmp_path)
    assert path == tmp_path / '4.png'
    drawn = read_stored(path)
    # 16 x 24 enlarged 13 times: the middle of an input pixel keeps its colour, nearly.
    centre = drawn[HEADER + 6 :: 13, GUTTER + 6 :: 13][:16, :24].astype(float)
    image = items[1]['inputs'].permute(1, 2, 0).numpy()
    assert abs(centre - image).max() < 3


def test_both_views_are_drawn(tmp_path):
    item, second = toy_sample(3), toy_sample(4)
    item['data_samples'].second = second['data_samples']
    files = draw_item([item], 0, tmp_path)
    assert files == [tmp_path / '3.png', tmp_path / '3_second.png']
    without_picture = read_stored(files[1])

    item['data_samples'].second.image = second['inputs']
    draw_item([item], 0, tmp_path)
    (alone,) = draw_item([second], 0, tmp_path)
    assert (read_stored(files[1]) == read_stored(alone)).all()
    assert (read_stored(files[1]) != without_picture).any()


def test_spread_indices_are_centred_and_never_repeat():
    assert spread_indices(10, 2) == [2, 7]
    assert spread_indices(3, 5) == [0, 1, 2]
    assert spread_indices(654, 4) == [81, 245, 408, 572]
    assert spread_indices(5, 0) == []


def test_to_picture_clamps_and_rounds():
    image = torch.tensor([-5.0, 1.6, 300.0]).view(3, 1, 1)
    assert to_picture(image).tolist() == [[[0, 2, 255]]]
