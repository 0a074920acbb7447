"""One readable picture of everything that is known and predicted about an image."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from mtl3d.structures import LABEL_SPECS, MultiTaskDataSample
from mtl3d.structures.label_spec import IGNORE_INDEX
from mtl3d.visualization.colors import (
    class_colors,
    color_depth,
    color_normals,
    colorize,
    depth_range,
)

#: Sources of a panel's rows: what the row is called -> where a sample keeps it.
SOURCES = {
    'truth': 'gt',
    'prediction': 'pred',
    'rendered': 'pred_regularizer',
    'average': 'pred_average',
}

BACKGROUND = (250, 250, 251)
INK = (32, 34, 40)
FAINT = (128, 132, 142)
EMPTY = (236, 237, 240)
FRAME = (214, 216, 222)
GAP = 8
HEADER = 34
GUTTER = 34
LEGEND_LINE = 20
LEGEND_LINES = 6

Fields = Mapping[str, np.ndarray]


def to_picture(image: Tensor) -> np.ndarray:
    """Turn a data set's ``(3, H, W)`` RGB tensor in 0..255 into ``(H, W, 3)`` uint8."""
    return image.clamp(0, 255).round().to(torch.uint8).permute(1, 2, 0).contiguous().cpu().numpy()


def sample_rows(sample: MultiTaskDataSample) -> dict[str, dict[str, np.ndarray]]:
    """Collect the rows that :func:`draw_panel` can draw of a sample.

    Args:
        sample: Labels, predictions or both, on any device.

    Returns:
        ``truth``, ``prediction``, ``rendered`` (by the regularizer) and ``average``, as far as
        present and not empty -> task -> ``(c, H, W)``.
    """
    rows = {}
    for title, name in SOURCES.items():
        fields = {k: v.detach().cpu().numpy() for k, v in sample.get(name, {}).items()}
        if fields:
            rows[title] = {k: v for k, v in fields.items() if k in LABEL_SPECS}
    return rows


def draw_panel(
    image: np.ndarray,
    rows: Mapping[str, Fields],
    *,
    tasks: Sequence[str] | None = None,
    metainfo: Mapping[str, Any] | None = None,
    caption: str = '',
    tile_side: int = 320,
) -> np.ndarray:
    """Draw a table of pictures: a row per source, a column per task, the input first.

    All rows share one depth range per task (the truth's, where there is a truth). Below the columns
    stand the legends: the classes that occur, the depth bar, the colours of the directions. Small
    images are enlarged by a whole factor, class maps without interpolation.

    Args:
        image: ``(H, W, 3)`` uint8 RGB.
        rows: Title of the row (``truth``, ``prediction``, ``rendered``, ...) -> task ->
            ``(c, h, w)`` in the layout of :data:`mtl3d.structures.LABEL_SPECS`, probabilities for
            binary tasks. A task that is missing in a row is drawn as "no label" or
            "no prediction".
        tasks: The columns; by default every task of any row.
        metainfo: A data set's description: ``classes`` (task -> names, for the legend) and
            ``palette`` (task -> RGB triples), each optional.
        caption: Text below the input, for instance the image's name; may have several lines.
        tile_side: Longest side of one picture in pixels, roughly for small images.

    Returns:
        ``(height, width, 3)`` uint8 RGB.

    Raises:
        ValueError: ``image`` is not uint8 RGB, or a task is not in ``LABEL_SPECS``.
    """
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
        raise ValueError(f'image: expected (H, W, 3) uint8, got {image.shape} {image.dtype}')
    known = {task for fields in rows.values() for task in fields}
    columns = list(tasks or [task for task in LABEL_SPECS if task in known])
    for task in columns:
        if task not in LABEL_SPECS:
            raise ValueError(f"tasks: '{task}' is not in LABEL_SPECS")

    size = _tile_size(image.shape[:2], tile_side)
    names = (metainfo or {}).get('classes', {})
    colors = {t: class_colors((metainfo or {}).get('palette', {}).get(t)) for t in columns}
    legends = [_legend(t, rows, names.get(t), colors[t], size[0]) for t in columns]
    caption_height = 20 * len(caption.splitlines()) if len(rows) < 2 else 0
    canvas = _Canvas(
        columns=1 + len(columns),
        rows=max(1, len(rows)),
        tile=size,
        footer=max(caption_height, *(legend.height for legend in legends), 0),
    )
    canvas.header(0, 'input')
    canvas.paste(0, 0, _fit(image, size, cv2.INTER_CUBIC))
    canvas.caption(caption)
    for column, (task, legend) in enumerate(zip(columns, legends, strict=True), start=1):
        canvas.header(column, task.replace('_', ' '))
        canvas.legend(column, legend)
        limits = _limits(task, rows)
        for row, (title, fields) in enumerate(rows.items()):
            if task in fields:
                tile = _tile(task, fields[task], image, limits, colors[task])
                canvas.paste(column, row, _fit(tile, size, cv2.INTER_NEAREST))
            else:
                canvas.empty(column, row, 'no label' if title == 'truth' else 'no prediction')
    for row, title in enumerate(rows):
        canvas.row_title(row, title)
    return np.asarray(canvas.picture).copy()


# -- tiles ----------------------------------------------------------------------------------------


def _tile_size(shape: Sequence[int], side: int) -> tuple[int, int]:
    """Choose (width, height) of a tile: a whole multiple of a small image, or ``side``."""
    height, width = shape
    longest = max(height, width)
    factor = max(1, round(side / longest)) if longest <= side else side / longest
    return max(1, round(width * factor)), max(1, round(height * factor))


def _fit(picture: np.ndarray, size: tuple[int, int], enlarge: int) -> np.ndarray:
    """Resize to (width, height); shrinking averages, so thin lines stay visible."""
    shrinks = picture.shape[1] > size[0]
    return cv2.resize(picture, size, interpolation=cv2.INTER_AREA if shrinks else enlarge)


def _tile(
    task: str,
    field: np.ndarray,
    image: np.ndarray,
    limits: tuple[float, float] | None,
    palette: np.ndarray,
) -> np.ndarray:
    spec = LABEL_SPECS[task]
    height, width = field.shape[-2:]
    below = _fit(image, (width, height), cv2.INTER_LINEAR)
    return colorize(task, field, spec, limits=limits, image=below, palette=palette)


def _limits(task: str, rows: Mapping[str, Fields]) -> tuple[float, float] | None:
    """Find the colour bar's range of a scalar quantity; None for other tasks."""
    spec = LABEL_SPECS[task]
    if spec.kind != 'continuous' or spec.channels != 1:
        return None
    fields = {title: values[task][0] for title, values in rows.items() if task in values}
    truth = fields.get('truth')
    if truth is not None and (truth > 0).any():
        return depth_range(truth)
    return depth_range(*fields.values())


# -- legends --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Legend:
    """A legend's height in pixels and how to draw it at (left, top)."""

    height: int
    draw: Callable[[Image.Image, int, int], None]


def _legend(
    task: str,
    rows: Mapping[str, Fields],
    names: Sequence[str] | None,
    colors: np.ndarray,
    width: int,
) -> _Legend:
    spec = LABEL_SPECS[task]
    if spec.kind == 'class' and names:
        return _class_legend(_frequent_classes(task, rows, len(names)), names, colors, width)
    if spec.is_direction:
        return _ball_legend()
    limits = _limits(task, rows)
    if limits is not None:
        return _bar_legend(limits, width, unit=' m' if spec.is_distance else '')
    return _Legend(0, lambda picture, left, top: None)  # nothing to explain


def _frequent_classes(task: str, rows: Mapping[str, Fields], count: int) -> list[int]:
    """List the class ids that occur in any row, the most frequent first."""
    total = np.zeros(256, dtype=np.int64)
    for fields in rows.values():
        if task in fields:
            total += np.bincount(fields[task].astype(np.int64).ravel(), minlength=256)
    total[IGNORE_INDEX] = 0
    return [int(i) for i in np.argsort(-total[:count], kind='stable') if total[i] > 0]


def _class_legend(
    ids: Sequence[int], names: Sequence[str], colors: np.ndarray, width: int
) -> _Legend:
    font = _font(13)
    per_line = max(1, width // 105)
    shown = ids[: per_line * LEGEND_LINES]

    def draw(picture: Image.Image, left: int, top: int) -> None:
        pen = ImageDraw.Draw(picture)
        step = width // per_line
        for position, index in enumerate(shown):
            x = left + position % per_line * step
            y = top + position // per_line * LEGEND_LINE
            pen.rounded_rectangle((x, y + 2, x + 12, y + 14), 3, fill=tuple(colors[index].tolist()))
            name = _shorten(names[index], font, step - 22)
            pen.text((x + 18, y + 8), name, INK, font, anchor='lm')

    return _Legend(-(-len(shown) // per_line) * LEGEND_LINE, draw)


def _bar_legend(limits: tuple[float, float], width: int, unit: str) -> _Legend:
    bar = np.broadcast_to(np.linspace(*limits, width), (12, width))
    colors = color_depth(np.maximum(bar, 1e-6), limits)

    def draw(picture: Image.Image, left: int, top: int) -> None:
        picture.paste(Image.fromarray(colors), (left, top + 2))
        pen = ImageDraw.Draw(picture)
        near, far = limits
        for fraction, anchor in ((0.0, 'lt'), (0.5, 'mt'), (1.0, 'rt')):
            value = near + fraction * (far - near)
            text = f'{value:.2f}{unit}'
            pen.text((left + fraction * (width - 1), top + 20), text, INK, _font(13), anchor=anchor)

    return _Legend(36, draw)


def _ball_legend(diameter: int = 56) -> _Legend:
    """A ball seen from the front: the colour of each direction is where it points."""
    scale = 4  # drawn larger and averaged, for a smooth rim
    y, x = np.mgrid[1 : -1 : diameter * scale * 1j, -1 : 1 : diameter * scale * 1j]
    z = np.sqrt(np.clip(1 - x**2 - y**2, 0, None))
    ball = color_normals(np.stack([x, y, z]))
    ball[x**2 + y**2 > 1] = BACKGROUND
    ball = cv2.resize(ball, (diameter, diameter), interpolation=cv2.INTER_AREA)

    def draw(picture: Image.Image, left: int, top: int) -> None:
        picture.paste(Image.fromarray(ball), (left, top + 2))
        pen = ImageDraw.Draw(picture)
        lines = ('x right: red', 'y up: green', 'z to viewer: blue')
        for number, line in enumerate(lines):
            y = top + 12 + 18 * number
            pen.text((left + diameter + 10, y), line, INK, _font(13), anchor='lm')

    return _Legend(diameter + 4, draw)


# -- the sheet ------------------------------------------------------------------------------------


class _Canvas:
    """A sheet with a grid of tiles, titles around it and legends below."""

    def __init__(self, *, columns: int, rows: int, tile: tuple[int, int], footer: int) -> None:
        self.tile = tile
        self.rows = rows
        width = GUTTER + columns * (tile[0] + GAP) + GAP
        height = HEADER + rows * (tile[1] + GAP) + (footer + GAP if footer else 0)
        self.picture = Image.new('RGB', (width, height), BACKGROUND)
        self.pen = ImageDraw.Draw(self.picture)

    def _corner(self, column: int, row: int) -> tuple[int, int]:
        return GUTTER + column * (self.tile[0] + GAP), HEADER + row * (self.tile[1] + GAP)

    def paste(self, column: int, row: int, tile: np.ndarray) -> None:
        x, y = self._corner(column, row)
        self.picture.paste(Image.fromarray(tile), (x, y))
        # A hair line outside the tile, so that a white one has an edge too.
        frame = (x - 1, y - 1, x + tile.shape[1], y + tile.shape[0])
        self.pen.rectangle(frame, outline=FRAME)

    def empty(self, column: int, row: int, text: str) -> None:
        x, y = self._corner(column, row)
        width, height = self.tile
        self.pen.rectangle((x, y, x + width - 1, y + height - 1), fill=EMPTY)
        self.pen.text((x + width / 2, y + height / 2), text, FAINT, _font(15), anchor='mm')

    def header(self, column: int, text: str) -> None:
        x, _ = self._corner(column, 0)
        font = _font(17)
        short = _shorten(text, font, self.tile[0])
        self.pen.text((x + self.tile[0] / 2, HEADER / 2 + 1), short, INK, font, anchor='mm')

    def row_title(self, row: int, text: str) -> None:
        _, y = self._corner(0, row)
        font = _font(17)
        strip = Image.new('RGB', (self.tile[1], GUTTER), BACKGROUND)
        short = _shorten(text, font, self.tile[1])
        centre = (self.tile[1] / 2, GUTTER / 2)
        ImageDraw.Draw(strip).text(centre, short, INK, font, anchor='mm')
        self.picture.paste(strip.rotate(90, expand=True), (0, y))

    def caption(self, text: str) -> None:
        """Write below the input, where the first column is free."""
        x, y = self._corner(0, 1)
        font = _font(14)
        for number, line in enumerate(text.splitlines()):
            short = _shorten(line, font, self.tile[0])
            self.pen.text((x, y + 2 + 20 * number), short, FAINT if number else INK, font)

    def legend(self, column: int, legend: _Legend) -> None:
        legend.draw(self.picture, *self._corner(column, self.rows))


def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size)  # the typeface inside Pillow: no font file to find


def _shorten(text: str, font: ImageFont.FreeTypeFont | ImageFont.ImageFont, width: float) -> str:
    """Cut a text that is wider than ``width`` pixels and end it with an ellipsis."""
    if font.getlength(text) <= width:
        return text
    while text and font.getlength(text + '…') > width:
        text = text[:-1]
    return text + '…'
