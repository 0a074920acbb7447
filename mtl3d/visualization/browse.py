"""A look at a data set: its images and labels as the pipeline makes them."""

from pathlib import Path
from typing import Any

import torch

from mtl3d.utils.image_io import write_png
from mtl3d.visualization.panel import draw_panel, sample_rows, to_picture


def draw_item(dataset: Any, index: int, folder: str | Path) -> list[Path]:
    """Draw one data set item with its labels, as the pipeline makes it.

    An item of two views makes two panels. Unless the pipeline keeps the second picture, its labels
    are drawn on black.

    Args:
        dataset: Its items are ``dict(inputs, data_samples)``.
        index: Which item.
        folder: The panel goes to ``<folder>/<img_id>.png``, that of a second view to
            ``<img_id>_second.png``.

    Returns:
        The files.
    """
    item = dataset[index]
    sample = item['data_samples']
    name = str(sample.get('img_id', index))
    views = {name: (item['inputs'], sample)}
    if 'second' in sample:
        image = sample.second.get('image', torch.zeros_like(item['inputs']))
        views[f'{name}_second'] = (image, sample.second)
    paths = []
    for stem, (image, view) in views.items():
        height, width = image.shape[-2:]
        panel = draw_panel(
            to_picture(image),
            sample_rows(view),
            metainfo=getattr(dataset, 'metainfo', {}),
            caption=f'{view.get("img_id", index)}\n{height} x {width}',
        )
        paths.append(Path(folder) / f'{stem}.png')
        write_png(paths[-1], panel)
    return paths


def spread_indices(length: int, count: int) -> list[int]:
    """Choose ``count`` of ``length`` indices, evenly spread; all of them where there are fewer."""
    if count >= length:
        return list(range(length))
    return [(2 * position + 1) * length // (2 * count) for position in range(count)]
