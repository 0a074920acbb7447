"""Test predictions on disk."""

from collections.abc import Sequence
from pathlib import Path

from mmengine.hooks import Hook
from mmengine.runner import Runner

from mtl3d.evaluation.predictions import Storage, write_outputs
from mtl3d.registry import HOOKS
from mtl3d.structures import MultiTaskDataSample


@HOOKS.register_module()
class PredictionWriterHook(Hook):
    """Write the predictions of all test images in each task's exchange format.

    Every process writes its own images. ``tools/evaluate_predictions.py`` scores the folder again.

    Args:
        out_dir: Files go to ``<out_dir>/heads/<task>/``; those of the other outputs
            that were asked for to ``regularizer/`` and ``average/``.
        storage: ``png``, the exchange format, which rounds, or ``npy``, which does not.
    """

    def __init__(self, *, out_dir: str, storage: Storage = 'png') -> None:
        self.out_dir = Path(out_dir)
        self.storage: Storage = storage

    def after_test_iter(
        self,
        runner: Runner,
        batch_idx: int,
        data_batch: dict | None = None,
        outputs: Sequence[MultiTaskDataSample] | None = None,
    ) -> None:
        """Write the predictions of one batch."""
        for sample in outputs or ():
            write_outputs(sample, self.out_dir, storage=self.storage)
