"""A look at a data set: its images and labels as the pipeline makes them."""

from pathlib import Path
from typing import Any

from mtl3d.utils.image_io import write_png
from mtl3d.visualization.panel import draw_panel, sample_rows, to_picture


def draw_item(dataset: Any, index: int, folder: str | Path) -> Path:
    """Draw one data set item with its labels, as the pipeline makes it.

    Args:
        dataset: Its items are ``dict(inputs, data_samples)``.
        index: Which item.
        folder: The panel goes to ``<folder>/<img_id>.png``.

    Returns:
        The file.
    """
    item = dataset[index]
    sample = item['data_samples']
    name = str(sample.get('img_id', index))
    height, width = item['inputs'].shape[-2:]
    panel = draw_panel(
        to_picture(item['inputs']),
        sample_rows(sample),
        metainfo=getattr(dataset, 'metainfo', {}),
        caption=f'{name}\n{height} x {width}',
    )
    path = Path(folder) / f'{name}.png'
    write_png(path, panel)
    return path


def spread_indices(length: int, count: int) -> list[int]:
    """Choose ``count`` of ``length`` indices, evenly spread; all of them where there are fewer."""
    if count >= length:
        return list(range(length))
    return [(2 * position + 1) * length // (2 * count) for position in range(count)]
