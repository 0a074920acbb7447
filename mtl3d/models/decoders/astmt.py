"""ASTMT's decoder: DeepLab-v3+ with shared convolutions that each task modulates."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mtl3d.models.decoders.base import DecoderOutput
from mtl3d.models.encoders.base import TaskFeatures
from mtl3d.models.heads import build_heads
from mtl3d.models.layers.task_modulation import ModulatedUnit, task_gates, task_norms
from mtl3d.models.tasks.base import Task, resize
from mtl3d.registry import MODELS
from mtl3d.structures import MultiTaskDataSample


@dataclass
class ASTMTOutput(DecoderOutput):
    """The decoder's output, and what the adversarial loss differentiates by.

    Attributes:
        features: Task -> feature ``(N, C, h, w)`` in front of the head.
    """

    features: dict[str, Tensor] = field(default_factory=dict)


class ReverseGradient(torch.autograd.Function):
    """The identity, whose gradient is negated (Ganin and Lempitsky, ICML 2015)."""

    @staticmethod
    def forward(ctx: Any, value: Tensor) -> Tensor:
        """Return the value."""
        return value.view_as(value)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        """Negate the gradient."""
        return -gradients[0]


class ModulatedASPP(nn.Module):
    """Atrous spatial pyramid pooling of units that each task modulates.

    Args:
        tasks: The tasks.
        in_channels: Channels of the input map.
        channels: Channels of every branch and of the result.
        rates: Dilations of the 3x3 branches.
    """

    def __init__(
        self, tasks: Sequence[str], in_channels: int, channels: int, rates: Sequence[int]
    ) -> None:
        super().__init__()
        self.branches = nn.ModuleList(
            [
                ModulatedUnit(tasks, in_channels, channels, 1),
                *(ModulatedUnit(tasks, in_channels, channels, dilation=rate) for rate in rates),
            ]
        )
        # The only convolution without adapters.
        self.image_conv = nn.Conv2d(in_channels, channels, 1, bias=False)
        self.image_norms = task_norms(tasks, channels)
        self.image_gates = task_gates(tasks, channels)
        self.act = nn.ReLU()
        self.project = ModulatedUnit(tasks, (len(rates) + 2) * channels, channels, 1)

    def forward(self, feature: Tensor, task: str) -> Tensor:
        """Map ``(N, in_channels, h, w)`` to ``(N, channels, h, w)`` for one task."""
        mean = self.image_conv(feature.mean(dim=(-2, -1), keepdim=True))
        mean = self.image_gates[task](self.act(self.image_norms[task](mean)))
        maps = [branch(feature, task) for branch in self.branches]
        maps.append(resize(mean, feature.shape[-2:]))
        return self.project(torch.cat(maps, dim=1), task)


@MODELS.register_module()
class ASTMTDecoder(nn.Module):
    """The decoder of attentive single-tasking of multiple tasks (Maninis et al., CVPR 2019).

    Every task runs a DeepLab-v3+ decoder of shared convolutions on its own features from
    ``ASTMTEncoder``, with its own BatchNorms, squeeze-and-excitations and adapters.

    In training a discriminator tries to tell from the gradient of a task's loss by its last feature
    which task it is; the reversed gradient of its loss makes the tasks' gradients alike. Against
    the published code: the tasks' losses are summed into one step, where that code makes one step
    per task; positions without gradient do not count, where it looks at the labels; the gradient
    is reversed with factor 1, where it grows from 0 to 1 in the first half of the training; and
    the tasks' losses keep the factor 1 instead of ``1 - adversarial_weight``.

    Args:
        in_channels: Channels of the two features of each task.
        out_channels: Task -> channels of its raw prediction.
        channels: Width of the decoder.
        rates: Dilations of the pyramid pooling; twice as large for an output stride of 8.
        adversarial_weight: Weight of the discriminator's loss; 0 leaves the discriminator out.
        adversarial_kernel: Side of the discriminator's (odd) kernels: 1 (PASCAL), 3 (NYUv2).
        head: Config of every task's last layer.
        heads: Task -> config of its last layer, in place of ``head``.

    Shape:
        Per task ``(N, C, h, w)`` and a coarser ``(N, C', h', w')``; predictions ``(N,
        out_channels[task], h, w)``. In training N must be at least 2, since the mean of one image
        cannot be batch-normalised.

    Raises:
        ValueError: There are not two features.
    """

    accepts_task_features = True

    def __init__(
        self,
        *,
        in_channels: Sequence[int],
        out_channels: Mapping[str, int],
        channels: int = 64,
        rates: Sequence[int] = (6, 12, 18),
        adversarial_weight: float = 0.01,
        adversarial_kernel: int = 1,
        head: Mapping[str, Any] | None = None,
        heads: Mapping[str, Mapping[str, Any]] | None = None,
    ) -> None:
        super().__init__()
        if len(in_channels) != 2:
            raise ValueError(
                f'in_channels={tuple(in_channels)}: ASTMTDecoder needs the two features of '
                'ASTMTEncoder'
            )
        tasks = list(out_channels)
        detail = 48 * channels // 256
        self.aspp = ModulatedASPP(tasks, in_channels[1], channels, rates)
        self.reduce = ModulatedUnit(tasks, in_channels[0], detail, 1, reduction=4)
        self.refine = nn.ModuleList(
            [
                ModulatedUnit(tasks, channels + detail, channels),
                ModulatedUnit(tasks, channels, channels),
            ]
        )
        self.heads = build_heads(
            head or dict(type='ConvHead'), heads, in_channels=channels, out_channels=out_channels
        )
        self.adversarial_weight = adversarial_weight
        self.discriminator: nn.Module | None = None
        if adversarial_weight:
            kernel, padding = adversarial_kernel, adversarial_kernel // 2
            self.discriminator = nn.Sequential(
                nn.Conv2d(channels, channels, kernel, padding=padding, bias=False),
                nn.ReLU(),
                nn.Conv2d(channels, len(tasks), kernel, padding=padding),
            )

    def forward(self, features: TaskFeatures) -> ASTMTOutput:
        """Predict every task from its own two features.

        Raises:
            ValueError: The features are shared ones, or a batch of one image in training mode.
        """
        if not isinstance(features, TaskFeatures):
            raise ValueError("ASTMTDecoder needs each task's own features: use ASTMTEncoder")
        last = {
            task: self._decode(maps[0], maps[1], task) for task, maps in features.per_task.items()
        }
        predictions = {task: head(last[task]) for task, head in self.heads.items()}
        return ASTMTOutput(predictions, features=last)

    def _decode(self, fine: Tensor, coarse: Tensor, task: str) -> Tensor:
        if self.training and len(fine) == 1:
            raise ValueError(
                'ASTMTDecoder cannot train with one image per process: BatchNorm has a single '
                "value of the image's mean. Set the batch size to 2 or more."
            )
        context = resize(self.aspp(coarse, task), fine.shape[-2:])
        feature = torch.cat([context, self.reduce(fine, task)], dim=1)
        for unit in self.refine:
            feature = unit(feature, task)
        return feature

    def extra_losses(
        self,
        output: DecoderOutput,
        *,
        task_losses: Mapping[str, Tensor],
        tasks: Mapping[str, Task],
        samples: Sequence[MultiTaskDataSample],
    ) -> dict[str, Tensor]:
        """Compute ``adversarial``, see :class:`~mtl3d.models.decoders.HasExtraLosses`.

        Without a discriminator there is nothing.
        """
        if self.discriminator is None:
            return {}
        assert isinstance(output, ASTMTOutput)
        terms = []
        for index, (task, feature) in enumerate(output.features.items()):
            (gradient,) = torch.autograd.grad(task_losses[task], feature, create_graph=True)
            norm = gradient.norm(dim=1, keepdim=True)
            direction = ReverseGradient.apply(gradient / (norm + 1e-10))
            target = torch.full_like(norm[:, 0], index, dtype=torch.long)
            counted = norm[:, 0].detach() > 0
            loss = F.cross_entropy(self.discriminator(direction), target, reduction='none')
            terms.append((loss * counted).sum() / counted.sum().clamp(min=1))
        return {'adversarial': self.adversarial_weight * torch.stack(terms).sum()}
