"""One table of all tasks in the log after each evaluation."""

from collections.abc import Mapping

from mmengine.hooks import Hook
from mmengine.runner import Runner

from mtl3d.registry import HOOKS


@HOOKS.register_module()
class ResultsTableHook(Hook):
    """Write the metrics of all tasks into the log as one table, after validation and test."""

    def after_val_epoch(self, runner: Runner, metrics: dict[str, float] | None = None) -> None:
        """Log the table of a validation."""
        runner.logger.info(f'Validation after {runner.iter} iterations\n{ascii_table(metrics)}')

    def after_test_epoch(self, runner: Runner, metrics: dict[str, float] | None = None) -> None:
        """Log the table of a test."""
        runner.logger.info(f'Test\n{ascii_table(metrics)}')


def ascii_table(metrics: Mapping[str, float] | None) -> str:
    """Draw metrics as a table.

    Args:
        metrics: ``<task>/<metric>`` -> value.

    Returns:
        One line per metric, a ruler above each task.
    """
    rows = [(*name.rpartition('/')[::2], value) for name, value in (metrics or {}).items()]
    task_width = max([4, *(len(task) for task, _, _ in rows)])
    name_width = max([6, *(len(name) for _, name, _ in rows)])
    ruler = f'+-{"-" * task_width}-+-{"-" * name_width}-+------------+'
    lines = [ruler, f'| {"task":{task_width}} | {"metric":{name_width}} |      value |']
    previous = None
    for task, name, value in rows:
        if task != previous:
            lines.append(ruler)
        shown = f'{value:10.4f}' if isinstance(value, int | float) else f'{value!s:>10.10}'
        label = task if task != previous else ''
        lines.append(f'| {label:{task_width}} | {name:{name_width}} | {shown} |')
        previous = task
    return '\n'.join([*lines, ruler])
