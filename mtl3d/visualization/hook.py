"""Pictures of what the model sees, drawn while it is validated or tested."""

import random
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmengine.dataset import pseudo_collate
from mmengine.dist import master_only
from mmengine.hooks import Hook
from mmengine.runner import Runner
from mmengine.visualization import LocalVisBackend
from torch import Tensor

from mtl3d.registry import HOOKS
from mtl3d.structures import MultiTaskDataSample
from mtl3d.utils.image_io import write_png
from mtl3d.utils.modules import unwrapped
from mtl3d.visualization.browse import spread_indices
from mtl3d.visualization.panel import draw_panel, sample_rows, to_picture


@HOOKS.register_module()
class MultiTaskVisualizationHook(Hook):
    """Draw panels of input, truth, prediction and the regularizer's rendering.

    After each validation the same few images are read from the data set once more and predicted by
    the main process, so the batches and the metrics of the validation stay as they are, and so does
    the state of the random generators. The panels go to
    ``<work_dir>/panels/iter_<iteration>/<img_id>.png``, and to TensorBoard or whatever else the
    runner's visualizer has beside local files.

    Args:
        num_images: How many images to draw at each validation, evenly spread over the data set;
            0 for none.
        show_dir: Where the panels of **all** test images go, drawn from the predictions that the
            test loop has made anyway; None for none.
        tile_side: Longest side of one picture in pixels, see :func:`draw_panel`.

    Raises:
        ValueError: ``num_images`` is negative.
    """

    # Before EMAHook (NORMAL), which takes the averaged weights out again after the validation.
    priority = 'ABOVE_NORMAL'

    def __init__(
        self, *, num_images: int = 4, show_dir: str | None = None, tile_side: int = 320
    ) -> None:
        if num_images < 0:
            raise ValueError(f'num_images={num_images}: a number of images cannot be negative')
        self.num_images = num_images
        self.show_dir = show_dir
        self.tile_side = tile_side

    @master_only
    def after_val_epoch(self, runner: Runner, metrics: dict[str, float] | None = None) -> None:
        """Draw the chosen images of the validation set."""
        dataset = runner.val_dataloader.dataset
        folder = Path(runner.work_dir) / 'panels' / f'iter_{runner.iter:06d}'
        with undisturbed_random_state():
            for index in spread_indices(len(dataset), self.num_images):
                item = dataset[index]
                sample = predict_everything(runner.model, item)
                caption = f'{sample.get("img_id", index)}\niteration {runner.iter}'
                panel = self._draw(item['inputs'], sample, dataset, caption)
                name = str(sample.get('img_id', index))
                write_png(folder / f'{name}.png', panel)
                for backend in runner.visualizer._vis_backends.values():
                    if not isinstance(backend, LocalVisBackend):  # it would write the file again
                        backend.add_image(f'panel_{name}', panel, step=runner.iter)

    def after_test_iter(
        self,
        runner: Runner,
        batch_idx: int,
        data_batch: dict | None = None,
        outputs: Sequence[MultiTaskDataSample] | None = None,
    ) -> None:
        """Draw every image of a test batch; each process draws its own."""
        if self.show_dir is None or data_batch is None or outputs is None:
            return
        dataset = runner.test_dataloader.dataset
        for image, sample in zip(data_batch['inputs'], outputs, strict=True):
            name = str(sample.get('img_id'))
            panel = self._draw(image, sample, dataset, name)
            write_png(Path(self.show_dir) / f'{name}.png', panel)

    def _draw(
        self, image: Tensor, sample: MultiTaskDataSample, dataset: Any, caption: str
    ) -> np.ndarray:
        return draw_panel(
            to_picture(image),
            sample_rows(sample),
            metainfo=getattr(dataset, 'metainfo', {}),
            caption=caption,
            tile_side=self.tile_side,
        )


def predict_everything(model: torch.nn.Module, item: dict) -> MultiTaskDataSample:
    """Predict one data set item by the heads and, where there is one, by the regularizer.

    Args:
        model: A ``MultiTaskModel``, bare or wrapped for distributed training. Its mode is restored.
        item: ``inputs`` and ``data_samples`` of one image.

    Returns:
        The sample with ``pred``, and ``pred_regularizer`` if the model has a regularizer.
    """
    bare: Any = unwrapped(model)
    outputs = 'heads' if bare.regularizer is None else 'all'
    was_training = bare.training
    bare.eval()
    try:
        with torch.no_grad():
            data = bare.data_preprocessor(pseudo_collate([item]), False)
            sample = bare.predict(data['inputs'], data['data_samples'], outputs=outputs)[0]
    finally:
        bare.train(was_training)
    sample.pop('pred_average', None)  # between the two rows that are drawn
    return sample


@contextmanager
def undisturbed_random_state() -> Iterator[None]:
    """Give back the state of Python's, NumPy's and torch's generators at the end."""
    python, numpy = random.getstate(), np.random.get_state()  # noqa: NPY002
    devices = [torch.cuda.current_device()] if torch.cuda.is_available() else []
    with torch.random.fork_rng(devices):
        try:
            yield
        finally:
            random.setstate(python)
            np.random.set_state(numpy)  # noqa: NPY002
