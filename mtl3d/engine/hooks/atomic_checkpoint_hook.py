"""Checkpoints that survive a kill at any moment."""

from collections.abc import Collection
from pathlib import Path
from typing import Any

from mmengine.dist import is_main_process
from mmengine.hooks import CheckpointHook
from mmengine.runner import Runner
from torch import nn

from mtl3d.engine.atomic_backend import UNFINISHED, AtomicBackend
from mtl3d.evaluation.multi_task_evaluator import result_names
from mtl3d.registry import HOOKS
from mtl3d.utils.modules import unwrapped

#: The file in a work dir that names the checkpoint to resume from.
LAST_CHECKPOINT = 'last_checkpoint'


@HOOKS.register_module()
class AtomicCheckpointHook(CheckpointHook):
    """MMEngine's checkpoint hook, which always leaves a good checkpoint behind.

    Four things differ: files are written whole or not at all (:class:`AtomicBackend`); an outdated
    checkpoint is removed after its successor is on the disk, not before; weights that are NaN or
    infinite, which a gradient can make of a finite loss, are never written; and every rank learns,
    through the hook point ``before_checkpoint``, that a checkpoint is about to be written, so that
    :class:`RandomStateHook` can collect what only the other ranks know.

    Args:
        interval: Iterations between checkpoints.
        by_epoch: Count epochs instead of iterations.
        max_keep_ckpts: How many to keep; -1 keeps all.
        save_last: Also save at the end of training.
        save_best: Name of the metric whose best checkpoint is kept as ``best_<metric>_iter_N.pth``.
        rule: ``greater`` or ``less``: which value of that metric is better.
    """

    def __init__(
        self,
        *,
        interval: int = 1000,
        by_epoch: bool = False,
        max_keep_ckpts: int = -1,
        save_last: bool = True,
        save_best: str | list[str] | None = None,
        rule: str | list[str] | None = None,
    ) -> None:
        super().__init__(
            interval=interval,
            by_epoch=by_epoch,
            max_keep_ckpts=max_keep_ckpts,
            save_last=save_last,
            save_best=save_best,
            rule=rule,
            backend_args=dict(backend='atomic'),
        )

    def before_train(self, runner: Runner) -> None:
        """Find the folder, and clear away what a killed run left unfinished in it.

        Raises:
            KeyError: No metric will have the name in ``save_best``.
        """
        super().before_train(runner)
        if runner.val_loop is not None:
            names = result_names(runner.val_loop.evaluator.metrics)
            if names is not None:
                self._check_save_best(names)
        self.file_backend = _PatientBackend()
        if is_main_process():
            for leftover in Path(self.out_dir).glob(f'*{UNFINISHED}'):
                leftover.unlink()

    def after_val_epoch(self, runner: Runner, metrics: dict[str, float] | None = None) -> None:
        """Save the best checkpoint.

        Raises:
            KeyError: No metric has the name in ``save_best``; the message names those there are.
        """
        metrics = metrics or {}
        self._check_save_best(metrics)
        super().after_val_epoch(runner, metrics)

    def _check_save_best(self, names: Collection[str]) -> None:
        for name in self.key_indicators if self.save_best else ():
            if name != 'auto' and name not in names:
                raise KeyError(
                    f"save_best='{name}' is not among the metrics: {', '.join(sorted(names))}"
                )

    def _save_best_checkpoint(self, runner: Runner, metrics: dict[str, float]) -> None:
        super()._save_best_checkpoint(runner, metrics)
        self.file_backend.remove_outdated(keep=self._current())

    def _save_checkpoint_with_step(self, runner: Runner, step: int, meta: dict[str, Any]) -> None:
        check_finite_weights(unwrapped(runner.model))
        runner.call_hook('before_checkpoint')
        name = self.filename_tmpl.format(step)
        self.last_ckpt = str(Path(self.out_dir, name))
        runner.message_hub.update_info('last_ckpt', self.last_ckpt)
        if self.max_keep_ckpts > 0:
            self._rotate(runner, step)
        runner.save_checkpoint(
            self.out_dir,
            name,
            save_optimizer=self.save_optimizer,
            save_param_scheduler=self.save_param_scheduler,
            meta=meta,
            by_epoch=self.by_epoch,
            backend_args=self.backend_args,
        )
        if is_main_process():
            # By name: a work dir may be moved, and found from another current directory.
            self.file_backend.put_text(name, Path(runner.work_dir, LAST_CHECKPOINT))
        self.file_backend.remove_outdated(keep=self._current())

    def _rotate(self, runner: Runner, step: int) -> None:
        """Note the new checkpoint, and the one that it pushes out."""
        kept = self.keep_ckpt_ids
        if kept and kept[-1] == step:
            return  # written again, after a validation
        if len(kept) == self.max_keep_ckpts and is_main_process():
            self.file_backend.remove(str(Path(self.out_dir, self.filename_tmpl.format(kept[0]))))
        kept.append(step)  # a deque of that length: the oldest drops out
        runner.message_hub.update_info('keep_ckpt_ids', list(kept))

    def _current(self) -> set[str]:
        best = getattr(self, 'best_ckpt_path_dict', {}).values()
        return {
            str(path) for path in (self.last_ckpt, getattr(self, 'best_ckpt_path', None), *best)
        }


def check_finite_weights(model: nn.Module) -> None:
    """Refuse weights that cannot be trained on.

    Args:
        model: The model, not wrapped.

    Raises:
        FloatingPointError: A weight is NaN or infinite; the message names the first tensor.
    """
    for name, weight in model.named_parameters():
        if not weight.isfinite().all():
            raise FloatingPointError(
                f'The weights of {name} are NaN or infinite, so no checkpoint was written; the '
                'last one is good. The gradient was not finite although the loss was: lower the '
                'learning rate, set optim_wrapper.clip_grad, or train with bf16 instead of fp16.'
            )


class _PatientBackend(AtomicBackend):
    """Remembers what to remove until the successor has been written."""

    def __init__(self) -> None:
        self._outdated: list[str] = []

    def remove(self, filepath: str | Path) -> None:
        self._outdated.append(str(filepath))

    def remove_outdated(self, keep: set[str]) -> None:
        for filepath in self._outdated:
            if filepath not in keep:
                Path(filepath).unlink(missing_ok=True)
        self._outdated.clear()
