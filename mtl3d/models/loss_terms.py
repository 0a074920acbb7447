"""What the model compares with labels, and the one place where losses are weighted."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
from mmengine.logging import MessageHub
from torch import Tensor

from mtl3d.models.tasks.base import Task
from mtl3d.structures import MultiTaskDataSample


@dataclass(frozen=True, kw_only=True)
class LossTerm:
    """The predictions of one source, and what they are compared with.

    Attributes:
        source: Where the predictions come from; the first part of the losses' names.
        predictions: Task -> raw predictions ``(N, C, h, w)``.
        samples: N samples with labels.
        tasks: Task -> the task whose loss its prediction has.
        weight: Factor of all these losses, besides the tasks' own.
        reduce_labels: Take the losses at the size of the predictions, see :func:`labelled_loss`.
    """

    source: str
    predictions: Mapping[str, Tensor]
    samples: Sequence[MultiTaskDataSample]
    tasks: Mapping[str, Task]
    weight: float = 1.0
    reduce_labels: bool = False

    def losses(self) -> dict[str, Tensor]:
        """Compute the weighted losses ``<source>.loss_<task>``.

        The unweighted ones go to the message hub as ``train/<source>.<task>``.
        """
        hub = MessageHub.get_current_instance()
        losses = {}
        for name, logits in self.predictions.items():
            task = self.tasks[name]
            value = labelled_loss(
                task.loss, name, logits, self.samples, reduce_labels=self.reduce_labels
            )
            hub.update_scalar(f'train/{self.source}.{name}', value.detach())
            losses[f'{self.source}.loss_{name}'] = self.weight * task.loss_weight * value
        return losses


def labelled_loss(
    loss: Callable[[Tensor, Tensor], Tensor],
    name: str,
    logits: Tensor,
    samples: Sequence[MultiTaskDataSample],
    *,
    reduce_labels: bool = False,
) -> Tensor:
    """Compute a loss of one task over the images that carry its label.

    Args:
        loss: Logits and labels of M images, ``(M, out_channels, h, w)`` and ``(M, c, H, W)``, to a
            scalar.
        name: The task's key in the samples.
        logits: ``(N, out_channels, h, w)``.
        samples: N samples; those without a field ``name`` in ``gt`` do not count.
        reduce_labels: Bring the labels to the size of the logits by taking the nearest pixels,
            which mixes neither classes nor pixels without a label, instead of the logits to theirs.

    Returns:
        A scalar. Without any label it is a zero that still depends on the logits, which keeps
        DistributedDataParallel's gradient buckets complete.
    """
    labelled = [i for i, sample in enumerate(samples) if name in sample.gt]
    if not labelled:
        return logits.flatten()[:0].sum().float()
    label = torch.stack([samples[i].gt.get(name) for i in labelled])
    chosen = logits if len(labelled) == len(samples) else logits[labelled]
    if reduce_labels:
        label = nearest_pixels(label, chosen.shape[-2:])
    return loss(chosen, label)


def nearest_pixels(maps: Tensor, size: Sequence[int]) -> Tensor:
    """Resize ``(N, C, H, W)`` maps of any type to ``(N, C, *size)`` without mixing pixels."""
    rows, columns = (
        ((torch.arange(new, device=maps.device) + 0.5) * (old / new)).long()
        for old, new in zip(maps.shape[-2:], size, strict=True)
    )
    return maps[..., rows[:, None], columns]
