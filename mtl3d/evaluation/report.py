"""All results of an evaluation as one table, and as a dict for JSON."""

import dataclasses
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from mmengine.evaluator import BaseMetric
from rich.console import Console
from rich.table import Table

from mtl3d.evaluation.metrics.base import PerImageMetric
from mtl3d.evaluation.metrics.multi_task_delta import MultiTaskDelta

#: Wide enough for every column, whatever terminal the table is printed on.
TABLE_WIDTH = 120


@dataclasses.dataclass(frozen=True)
class Row:
    """One number of an evaluation.

    Attributes:
        key: ``<prefix>/<metric>``, as in the results dict.
        task: The task's key.
        metric: The metric's name.
        value: Its value.
        unit: Its unit, empty for plain ratios.
        protocol: The convention; empty for numbers computed from others.
        field: Which predictions were scored.
        num_images: Images scored; None for numbers computed from others.
        interval: (low, high) of the 95 % confidence interval, or None.
        settings: What else the value depends on, in words.
    """

    key: str
    task: str
    metric: str
    value: float
    unit: str
    protocol: str = ''
    field: str = ''
    num_images: int | None = None
    interval: tuple[float, float] | None = None
    settings: str = ''


def collect_rows(
    metrics: Iterable[BaseMetric | MultiTaskDelta], results: Mapping[str, float]
) -> list[Row]:
    """Join the results of an evaluation with what the metrics know about them.

    A number of a further protocol that equals the first one's is left out, so that the table shows
    two protocols only where they differ.

    Args:
        metrics: The evaluator's ``metrics``, after ``evaluate``, on the main process.
        results: What ``evaluate`` returned.

    Returns:
        One row per number, in the order of the metrics; numbers that no metric explains come last.
    """
    rows: list[Row] = []
    units: dict[str, str] = {}
    seen: set[str] = set()
    first: dict[tuple[str, str, str], float] = {}
    for metric in metrics:
        if not isinstance(metric, PerImageMetric | MultiTaskDelta):
            continue
        units.update({f'{metric.prefix}/{name}': unit for name, unit in metric.units.items()})
        summary = metric.summary
        if summary is None:
            continue
        for name, value in summary.values.items():
            key = f'{metric.prefix}/{name}'
            seen.add(key)
            identity = (summary.task, summary.field, name)
            if identity in first and _same(first[identity], value):
                continue
            first.setdefault(identity, value)
            rows.append(
                Row(
                    key=key,
                    task=summary.task,
                    metric=name,
                    value=value,
                    unit=units.get(key, ''),
                    protocol=summary.protocol,
                    field=summary.field,
                    num_images=summary.num_images,
                    interval=summary.intervals.get(name),
                    settings=summary.settings,
                )
            )
    for key, value in results.items():
        if key not in seen:
            task, _, name = key.rpartition('/')
            rows.append(Row(key, task, name, float(value), units.get(key, '')))
    return rows


def _same(first: float, second: float) -> bool:
    return first == second or (math.isnan(first) and math.isnan(second))


def draw_table(rows: Sequence[Row], *, title: str = 'Evaluation') -> str:
    """Draw the rows as a table of plain text, of the same width everywhere.

    Args:
        rows: From :func:`collect_rows`.
        title: The table's title.

    Returns:
        Lines of at most :data:`TABLE_WIDTH` characters.
    """
    settings = dict.fromkeys(f'{row.task}: {row.settings}' for row in rows if row.settings)
    table = Table(title=title, caption='\n'.join(settings) or None, caption_justify='left')
    for column in ('task', 'metric', 'protocol', 'predictions'):
        table.add_column(column)
    with_intervals = any(row.interval for row in rows)
    numeric = ['value', '95 % interval', 'unit', 'images'] if with_intervals else []
    for column in numeric or ['value', 'unit', 'images']:
        table.add_column(column, justify='left' if column == 'unit' else 'right')
    previous = None
    for row in rows:
        group = (row.task, row.protocol, row.field)
        if previous not in (None, group):
            table.add_section()
        head = [''] if previous == group else [row.task]
        cells = [*head, row.metric, row.protocol, row.field, f'{row.value:.4f}']
        if with_intervals:
            cells.append(f'{row.interval[0]:.4f} .. {row.interval[1]:.4f}' if row.interval else '')
        images = '' if row.num_images is None else str(row.num_images)
        table.add_row(*cells, row.unit, images)
        previous = group
    console = Console(width=TABLE_WIDTH, no_color=True, force_terminal=False)
    with console.capture() as capture:
        console.print(table)
    return capture.get().rstrip('\n')


def results_dict(rows: Sequence[Row]) -> dict[str, Any]:
    """Turn the rows into plain numbers, lists and strings for JSON.

    Args:
        rows: From :func:`collect_rows`.

    Returns:
        ``metrics``: key -> value, which :class:`mtl3d.evaluation.metrics.MultiTaskDelta` reads as
        single-task numbers; ``rows``: everything known about each. A NaN becomes None, since JSON
        has none.
    """
    plain = []
    for row in rows:
        interval = row.interval and [_finite(bound) for bound in row.interval]
        plain.append({**dataclasses.asdict(row), 'value': _finite(row.value), 'interval': interval})
    return dict(metrics={row['key']: row['value'] for row in plain}, rows=plain)


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
