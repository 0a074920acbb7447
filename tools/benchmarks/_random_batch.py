"""A batch of random images and labels, of the size and tasks that a config trains on."""

import torch
from mmengine.config import Config
from mmengine.structures import PixelData

from mtl3d.structures import LABEL_SPECS, MultiTaskDataSample


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
