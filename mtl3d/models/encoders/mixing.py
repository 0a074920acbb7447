"""Encoders with one ResNet per task that exchange features after every stage."""

from abc import ABC, abstractmethod
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from mtl3d.models.encoders.base import TaskFeatures
from mtl3d.models.encoders.resnet_stages import ResNetStages
from mtl3d.models.layers import ConvNormAct
from mtl3d.registry import MODELS


class MixingEncoder(nn.Module, ABC):
    """One dilated ResNet per task; a unit mixes the features of all tasks after each stage.

    Args:
        tasks: The model's tasks; ``MultiTaskModel`` fills them in.
        model_name: timm's name of the ResNet.
        pretrained: True, False, or a file, as in ``TimmBackbone``; the same for every task.
        output_stride: Stride of the last feature.
        self_weight: Initial weight of a task's own features.
        cross_weight: Initial weight of every other task's features.

    Shape:
        Input ``(N, 3, H, W)``; per task one feature ``(N, C, H / output_stride, W /
        output_stride)``.

    Attributes:
        out_channels: Channels of each task's feature.
        shared_channels: None: no feature is common to the tasks.
    """

    task_specific = True
    shared_channels: tuple[int, ...] | None = None
    #: Whether the stem is a stage of its own, with a unit behind it.
    unit_after_stem = False

    def __init__(
        self,
        *,
        tasks: Sequence[str],
        model_name: str = 'resnet50',
        pretrained: bool | str = False,
        output_stride: int = 8,
        self_weight: float = 0.9,
        cross_weight: float = 0.1,
    ) -> None:
        super().__init__()
        self.backbones = nn.ModuleDict(
            {
                task: ResNetStages(model_name, pretrained=pretrained, output_stride=output_stride)
                for task in tasks
            }
        )
        channels = self._resnet(tasks[0]).stage_channels
        self.out_channels = (channels[-1],)
        widths = (64, *channels) if self.unit_after_stem else channels
        self.units = nn.ModuleList(
            self.make_unit(len(tasks), width, self_weight, cross_weight) for width in widths
        )

    @abstractmethod
    def make_unit(
        self, num_tasks: int, channels: int, self_weight: float, cross_weight: float
    ) -> nn.Module:
        """Make a unit that maps ``(T, N, C, h, w)``, the features of all tasks, to the same."""

    def _resnet(self, task: str) -> ResNetStages:
        return self.backbones[task]  # type: ignore[return-value]

    def _stages(self, task: str) -> list[nn.Module]:
        resnet = self._resnet(task)
        first, *others = resnet.stages
        if self.unit_after_stem:
            return [resnet.stem, first, *others]
        return [nn.Sequential(resnet.stem, first), *others]

    def forward(self, inputs: Tensor) -> TaskFeatures:
        """Encode ``(N, 3, H, W)`` images for every task."""
        stages = {task: self._stages(task) for task in self.backbones}
        features = {task: inputs for task in stages}
        for index, unit in enumerate(self.units):
            stacked = torch.stack([stages[task][index](x) for task, x in features.items()])
            features = dict(zip(features, unit(stacked), strict=True))
        return TaskFeatures({task: (feature,) for task, feature in features.items()})


class CrossStitchUnit(nn.Module):
    """``x_i <- sum_j w_ij * x_j`` with one weight per channel and ordered pair of tasks.

    Args:
        num_tasks: Number T of tasks.
        channels: Channels of every task's feature.
        self_weight: Initial w_ii.
        cross_weight: Initial w_ij, for i unlike j.
    """

    def __init__(
        self, num_tasks: int, channels: int, self_weight: float, cross_weight: float
    ) -> None:
        super().__init__()
        weight = torch.full((num_tasks, num_tasks), cross_weight)
        weight.fill_diagonal_(self_weight)
        self.weight = nn.Parameter(weight[..., None].repeat(1, 1, channels))

    def forward(self, features: Tensor) -> Tensor:
        """Map ``(T, N, C, h, w)`` to the same shape."""
        return torch.einsum('ijc,jnchw->inchw', self.weight, features)


@MODELS.register_module()
class CrossStitchEncoder(MixingEncoder):
    """Cross-stitch networks (Misra et al., CVPR 2016), in the multi-task survey's version.

    The survey initialises every ResNet with that of a trained single-task model; ``load_from`` with
    a converted checkpoint does so. Arguments and shapes are those of :class:`MixingEncoder`.
    """

    def make_unit(
        self, num_tasks: int, channels: int, self_weight: float, cross_weight: float
    ) -> nn.Module:
        """Make one cross-stitch unit."""
        return CrossStitchUnit(num_tasks, channels, self_weight, cross_weight)


class NDDRUnit(nn.Module):
    """Per task a 1x1 convolution of all tasks' features, BatchNorm and ReLU.

    Args:
        num_tasks: Number T of tasks.
        channels: Channels of every task's feature.
        self_weight: Initial weight of a task's own channel.
        cross_weight: Initial weight of the same channel of every other task.
    """

    def __init__(
        self, num_tasks: int, channels: int, self_weight: float, cross_weight: float
    ) -> None:
        super().__init__()
        self.layers = nn.ModuleList(
            ConvNormAct(num_tasks * channels, channels, 1) for _ in range(num_tasks)
        )
        identity = torch.eye(channels)
        for task, layer in enumerate(self.layers):
            blocks = [identity * cross_weight] * num_tasks
            blocks[task] = identity * self_weight
            assert isinstance(layer, ConvNormAct)
            layer.conv.weight.data.copy_(torch.cat(blocks, dim=1)[..., None, None])
            layer.norm.momentum = 0.05  # the published value

    def forward(self, features: Tensor) -> Tensor:
        """Map ``(T, N, C, h, w)`` to the same shape."""
        joined = features.transpose(0, 1).flatten(1, 2)
        return torch.stack([layer(joined) for layer in self.layers])


@MODELS.register_module()
class NDDREncoder(MixingEncoder):
    """NDDR-CNN (Gao et al., CVPR 2019), in the multi-task survey's version.

    Arguments and shapes are those of :class:`MixingEncoder`; there is a unit after the stem, too.
    """

    unit_after_stem = True

    def make_unit(
        self, num_tasks: int, channels: int, self_weight: float, cross_weight: float
    ) -> nn.Module:
        """Make one layer of neural discriminative dimensionality reduction."""
        return NDDRUnit(num_tasks, channels, self_weight, cross_weight)
