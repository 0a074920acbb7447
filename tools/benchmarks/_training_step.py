"""Training steps of a config on random images and labels."""

import time
from pathlib import Path

import torch
from mmengine.config import Config
from mmengine.optim import build_optim_wrapper
from mmengine.structures import PixelData

from mtl3d.apis.configuration import load_config, use_amp
from mtl3d.registry import MODELS
from mtl3d.structures import LABEL_SPECS, MultiTaskDataSample
from mtl3d.utils.weights import without_pretrained


class TrainingStep:
    """Forward, backward and optimizer of a config's model, from random weights.

    Calling it takes one step and returns its seconds.

    Args:
        path: The config.
        batch_size: Images per step; None for the config's own number.
        amp: ``bf16`` or ``fp16``, on a GPU; None for float32.
    """

    def __init__(
        self, path: str | Path, *, batch_size: int | None = None, amp: str | None = None
    ) -> None:
        self.device = 'cuda' if torch.cuda.is_available() else 'cpu'
        self._cfg = load_config(path)
        self._cfg.model = without_pretrained(self._cfg.model.to_dict())
        if amp:
            use_amp(self._cfg, amp)
        self.batch_size = batch_size or self._cfg.train_dataloader.batch_size
        self.model = MODELS.build(self._cfg.model).to(self.device).train()
        self._optimizer = build_optim_wrapper(self.model, self._cfg.optim_wrapper)

    def __call__(self) -> float:
        """Take a step on a new batch, whose making does not count."""
        # Anew: the preprocessor changes samples.
        batch = random_batch(self._cfg, self.batch_size, self.device)
        _wait(self.device)
        start = time.perf_counter()
        self.model.train_step(batch, self._optimizer)
        _wait(self.device)
        return time.perf_counter() - start


def random_batch(cfg: Config, batch_size: int, device: str = 'cpu') -> dict:
    """Make what a data loader would give to ``model.train_step``.

    Args:
        cfg: Gives ``model.data_preprocessor.size`` and ``model.tasks``.
        batch_size: Number of images.
        device: Where the tensors are.

    Returns:
        ``inputs``, a list of ``(3, H, W)`` uint8 images, and ``data_samples`` with every label.
    """
    size = tuple(cfg.model.data_preprocessor.size)
    generator = torch.Generator().manual_seed(0)
    images, samples = [], []
    for _ in range(batch_size):
        image = torch.randint(0, 256, (3, *size), generator=generator, dtype=torch.uint8)
        images.append(image.to(device))
        labels = {}
        for task in cfg.model.tasks:
            spec = LABEL_SPECS[task]
            values = torch.rand(spec.channels, *size, generator=generator)
            binary = (values > 0.5).to(spec.dtype)
            labels[task] = values + 0.5 if spec.kind == 'continuous' else binary
        sample = MultiTaskDataSample(metainfo=dict(ori_shape=size, img_shape=size))
        sample.gt = PixelData(**labels)
        samples.append(sample.to(device))
    return dict(inputs=images, data_samples=samples)


def _wait(device: str) -> None:
    if device == 'cuda':
        torch.cuda.synchronize()
