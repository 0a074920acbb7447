"""One table of all tasks in the log after each evaluation."""

from collections.abc import Mapping

from mmengine.dist import master_only
from mmengine.evaluator import Evaluator
from mmengine.hooks import Hook
from mmengine.runner import Runner
from rich.console import Console

from mtl3d.evaluation.report import collect_rows, results_table
from mtl3d.registry import HOOKS

#: Wide enough for every column, whatever terminal the run was started from.
TABLE_WIDTH = 120


@HOOKS.register_module()
class ResultsTableHook(Hook):
    """Write the metrics of all tasks into the log as one table, after validation and test."""

    @master_only
    def after_val_epoch(self, runner: Runner, metrics: dict[str, float] | None = None) -> None:
        """Log the table of a validation."""
        title = f'Validation after {runner.iter} iterations'
        runner.logger.info('\n' + draw_table(runner.val_loop.evaluator, metrics or {}, title))

    @master_only
    def after_test_epoch(self, runner: Runner, metrics: dict[str, float] | None = None) -> None:
        """Log the table of a test."""
        runner.logger.info('\n' + draw_table(runner.test_loop.evaluator, metrics or {}, 'Test'))


def draw_table(evaluator: Evaluator, metrics: Mapping[str, float], title: str) -> str:
    """Draw the results of an evaluation as plain text.

    Args:
        evaluator: The evaluator, after it has evaluated.
        metrics: Its results.
        title: The table's title.
    """
    console = Console(width=TABLE_WIDTH, no_color=True, force_terminal=False)
    with console.capture() as capture:
        console.print(results_table(collect_rows(evaluator.metrics, metrics), title=title))
    return capture.get().rstrip('\n')
