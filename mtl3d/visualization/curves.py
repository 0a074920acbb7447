"""Losses and metrics over the iterations, from the log of a training run."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mtl3d.structures import LABEL_SPECS

#: How a source of a prediction is drawn: colour, and order in the legend.
SOURCE_COLORS = {'decoder': '#2a5caa', 'regularizer': '#d1495b', 'cross_view': '#3a9d6e'}
OTHER_COLOR = '#9aa3b2'
NUM_COLUMNS = 5


def read_scalars(path: str | Path) -> list[dict[str, float]]:
    """Read the scalars that MMEngine's ``LocalVisBackend`` wrote.

    Args:
        path: A ``scalars.json`` (one JSON object per line), or a work directory, where the
            scalars of all its runs are joined: what a resumed run repeats replaces the older lines.

    Returns:
        The records in order; each has a ``step`` (iteration).

    Raises:
        FileNotFoundError: There is no such file, or no ``*/vis_data/scalars.json`` in the folder.
        ValueError: A line is not a JSON object.
    """
    path = Path(path)
    files = [path] if path.is_file() else sorted(path.glob('*/vis_data/scalars.json'))
    if not files:
        raise FileNotFoundError(
            f'{path}: no scalars.json, and no work directory with <time>/vis_data/scalars.json'
        )
    records: list[dict[str, float]] = []
    for file in files:
        run = _read_lines(file)
        if run:
            begin = run[0]['step']
            records = [record for record in records if record['step'] < begin] + run
    return records


def _read_lines(file: Path) -> list[dict[str, float]]:
    records = []
    lines = file.read_text().splitlines()
    for number, line in enumerate(lines, start=1):
        try:
            record = json.loads(line)
        except json.JSONDecodeError as error:
            if number == len(lines):  # the run was killed while it wrote the line
                break
            raise ValueError(f'{file}, line {number}: not JSON ({error.msg})') from error
        if not isinstance(record, dict):
            raise ValueError(f'{file}, line {number}: not a JSON object')
        if 'step' in record:
            records.append(record)
    return records


def series(records: Sequence[dict[str, float]], key: str) -> tuple[np.ndarray, np.ndarray]:
    """Pick one scalar's history.

    Args:
        records: From :func:`read_scalars`.
        key: The scalar's name.

    Returns:
        Steps and values, each ``(n,)`` float64; lines without the key or without a number are
        left out.
    """
    points = [
        (r['step'], r[key]) for r in records if isinstance(r.get(key), (int, float))
    ]  # fmt: skip
    array = np.array(points, dtype=np.float64).reshape(-1, 2)
    return array[:, 0], array[:, 1]


def loss_keys(records: Sequence[dict[str, float]]) -> dict[str, list[str]]:
    """Sort the unweighted losses ``<source>.<task>`` by task.

    Args:
        records: From :func:`read_scalars`.

    Returns:
        Task -> the keys of its losses, the decoder's and the regularizer's first.
    """
    keys = sorted({key for record in records for key in record if '/' not in key})
    found: dict[str, list[str]] = {}
    for key in keys:
        source, _, task = key.rpartition('.')
        if source and task in LABEL_SPECS:
            found.setdefault(task, []).append(key)
    for values in found.values():
        values.sort(key=lambda key: (key.rpartition('.')[0] not in SOURCE_COLORS, key))
    return {task: found[task] for task in LABEL_SPECS if task in found}


def metric_keys(records: Sequence[dict[str, float]]) -> list[str]:
    """List the metrics ``<task>/<metric>`` in the order in which the log first names them."""
    keys = [key for record in records for key in record if '/' in key]
    return [key for key in dict.fromkeys(keys) if series(records, key)[0].size]


def draw_curves(records: Sequence[dict[str, float]], *, title: str = '') -> np.ndarray:
    """Draw the unweighted losses of every task and every metric over the iterations.

    Args:
        records: From :func:`read_scalars`.
        title: Above the picture.

    Returns:
        ``(height, width, 3)`` uint8 RGB.

    Raises:
        ImportError: matplotlib is not installed.
        ValueError: The records hold neither a loss nor a metric.
    """
    losses, metrics = loss_keys(records), metric_keys(records)
    plots: list[tuple[str, list[str]]] = []
    if series(records, 'loss')[0].size:
        plots.append(('total loss (weighted)', ['loss']))
    plots += [(f'{task.replace("_", " ")} loss', keys) for task, keys in losses.items()]
    num_losses = len(plots)
    plots += [(key, [key]) for key in metrics]
    if not plots:
        raise ValueError('the log holds no losses and no metrics: did the run stop early?')

    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError as error:
        raise ImportError('curves need matplotlib: pip install matplotlib') from error

    # Metrics begin a new row, so that losses stand above and metrics below.
    loss_rows = -(-num_losses // NUM_COLUMNS)
    rows = loss_rows + -(-len(metrics) // NUM_COLUMNS)
    figure = Figure(figsize=(3.3 * NUM_COLUMNS, 2.5 * rows + 0.4), dpi=100, layout='constrained')
    canvas = FigureCanvasAgg(figure)
    if title:
        figure.suptitle(title, fontsize=13)
    for position, (name, keys) in enumerate(plots):
        cell = position
        if position >= num_losses:
            cell = position - num_losses + loss_rows * NUM_COLUMNS
        axes = figure.add_subplot(rows, NUM_COLUMNS, cell + 1)
        _draw_plot(axes, records, name, keys)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3].copy()


def _draw_plot(axes: Any, records: Sequence[dict[str, float]], name: str, keys: list[str]) -> None:
    """Draw one small plot with one line per key."""
    labelled = len(keys) > 1
    for key in keys:
        steps, values = series(records, key)
        source = key.rpartition('.')[0]
        known = source in SOURCE_COLORS or not labelled
        axes.plot(
            steps,
            values,
            color=SOURCE_COLORS.get(source, SOURCE_COLORS['decoder'] if known else OTHER_COLOR),
            linewidth=1.6 if known else 0.9,
            zorder=3 if known else 2,
            marker='o' if len(steps) < 30 else None,
            markersize=2.5,
            label=source,
        )
    axes.set_title(name, fontsize=10)
    axes.tick_params(labelsize=8)
    axes.grid(color='#e4e6eb', linewidth=0.7)
    axes.spines[['top', 'right']].set_visible(False)
    if labelled:
        axes.legend(fontsize=7, frameon=False)
