"""Logs that a person can read: one row per source of losses, one column per task."""

import re
from collections.abc import Mapping, Sequence

from mmengine.runner import LogProcessor, Runner

from mtl3d.registry import LOG_PROCESSORS

LOSS = re.compile(r'(?P<source>.+)\.(?P<weighted>loss_)?(?P<task>[^.]+)')


@LOG_PROCESSORS.register_module()
class MultiTaskLogProcessor(LogProcessor):
    """MMEngine's log processor with the losses as a table instead of one very long line.

    The table has the unweighted losses, averaged over the window. The scalars that go to
    TensorBoard and to the JSON log stay as they are: unweighted (``decoder.depth``) and weighted
    (``decoder.loss_depth``).

    Args:
        window_size: Iterations over which a value is averaged.
        by_epoch: Whether the loop counts epochs.
        num_digits: Digits after the point.
    """

    def __init__(
        self, *, window_size: int = 10, by_epoch: bool = False, num_digits: int = 4
    ) -> None:
        super().__init__(
            window_size=window_size,
            by_epoch=by_epoch,
            num_digits=num_digits,
            mean_pattern=r'.*(loss|time|grad_norm|decoder\.|regularizer\.|cross_view\.).*',
        )

    def get_log_after_iter(
        self, runner: Runner, batch_idx: int, mode: str
    ) -> tuple[dict[str, float], str]:
        """Format one log entry; see MMEngine's method.

        Returns:
            The scalars, and the text: one line, and in training the table below it.
        """
        scalars, text = super().get_log_after_iter(runner, batch_idx, mode)
        if mode != 'train':
            return scalars, text
        items = [item for item in text.split('  ') if not LOSS.fullmatch(item.split(': ')[0])]
        return scalars, '\n'.join(['  '.join(items), *loss_table(scalars, self.num_digits)])

    def get_log_after_epoch(
        self, runner: Runner, batch_idx: int, mode: str, with_non_scalar: bool = False
    ) -> tuple[dict[str, float], str]:
        """Format the end of an evaluation; see MMEngine's method.

        Returns:
            The scalars, and a line without the metrics: there are dozens, and
            :class:`~mtl3d.engine.hooks.ResultsTableHook` has just written them as a table.
        """
        scalars, text = super().get_log_after_epoch(runner, batch_idx, mode, with_non_scalar)
        metrics = {name for name in scalars if '/' in name}
        items = [item for item in text.split('  ') if item.split(': ')[0] not in metrics]
        return scalars, '  '.join(items)


def loss_table(scalars: Mapping[str, float], num_digits: int) -> list[str]:
    """Lay out the unweighted losses.

    Args:
        scalars: Log name -> value; ``<source>.<task>`` is an unweighted loss if there is also the
            weighted ``<source>.loss_<task>``.
        num_digits: Digits after the point.

    Returns:
        The lines of a table, a header and one row per source; empty without losses.
    """
    rows: dict[str, dict[str, float]] = {}
    for name, value in scalars.items():
        match = LOSS.fullmatch(name)
        if match and not match['weighted']:
            if f'{match["source"]}.loss_{match["task"]}' in scalars:
                rows.setdefault(match['source'], {})[match['task']] = value
    if not rows:
        return []
    tasks = list(dict.fromkeys(task for row in rows.values() for task in row))
    cells = [['loss', *tasks]]
    for source, row in rows.items():
        cells.append([source, *(f'{row[t]:.{num_digits}f}' if t in row else '' for t in tasks)])
    return align(cells)


def align(cells: Sequence[Sequence[str]]) -> list[str]:
    """Pad the cells of a table so that its columns line up, the first one to the left."""
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    lines = []
    for first, *others in cells:
        padded = [cell.rjust(width) for cell, width in zip(others, widths[1:], strict=True)]
        lines.append('    ' + '  '.join([first.ljust(widths[0]), *padded]))
    return lines
