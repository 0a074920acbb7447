"""One table of all tasks in the log after each evaluation."""

from collections.abc import Mapping

from mmengine.dist import master_only
from mmengine.evaluator import Evaluator
from mmengine.hooks import Hook
from mmengine.runner import Runner

from mtl3d.evaluation.report import collect_rows, draw_table
from mtl3d.registry import HOOKS


@HOOKS.register_module()
class ResultsTableHook(Hook):
    """Write the metrics of all tasks into the log as one table, after validation and test."""

    @master_only
    def after_val_epoch(self, runner: Runner, metrics: dict[str, float] | None = None) -> None:
        """Log the table of a validation."""
        title = f'Validation after {runner.iter} iterations'
        _log_table(runner, runner.val_loop.evaluator, metrics or {}, title)

    @master_only
    def after_test_epoch(self, runner: Runner, metrics: dict[str, float] | None = None) -> None:
        """Log the table of a test."""
        _log_table(runner, runner.test_loop.evaluator, metrics or {}, 'Test')


def _log_table(
    runner: Runner, evaluator: Evaluator, metrics: Mapping[str, float], title: str
) -> None:
    rows = collect_rows(evaluator.metrics, metrics)
    runner.logger.info('\n' + draw_table(rows, title=title))
