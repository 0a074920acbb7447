"""MTAN: one shared ResNet, from which each task picks by soft attention at every stage."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from mtl3d.models.encoders.base import TaskFeatures
from mtl3d.models.encoders.resnet_stages import ResNetStages
from mtl3d.models.layers import ConvNormAct, bottleneck_block
from mtl3d.registry import MODELS


def attention_module(in_channels: int, out_channels: int) -> nn.Sequential:
    """Make the mask of one task at one stage: two 1x1 convolutions and a sigmoid."""
    hidden = out_channels // 4
    return nn.Sequential(
        ConvNormAct(in_channels, hidden, 1, bias=True),
        ConvNormAct(hidden, out_channels, 1, bias=True, act=False),
        nn.Sigmoid(),
    )


@MODELS.register_module()
class MTANEncoder(nn.Module):
    """Multi-task attention network (Liu et al., CVPR 2019), in the multi-task survey's version.

    Each stage is cut before its last residual block. A task's mask is computed from the feature
    before that block and the task's own refined feature of the stage before, and multiplied with
    the feature after the block. The refinement between two stages is shared by all tasks.

    Args:
        tasks: The model's tasks; ``MultiTaskModel`` fills them in.
        model_name: timm's name of the ResNet.
        pretrained: True, False, or a file, as in ``TimmBackbone``.
        output_stride: Stride of the last feature: 8 is the published one, for which only the first
            refinement is followed by pooling.

    Shape:
        Input ``(N, 3, H, W)``; per task one feature ``(N, C, H / output_stride, W /
        output_stride)``; shared is the last feature of the ResNet.

    Raises:
        ValueError: The model is no ResNet, or ``output_stride`` is not 8, 16 or 32.
    """

    task_specific = True

    def __init__(
        self,
        *,
        tasks: Sequence[str],
        model_name: str = 'resnet50',
        pretrained: bool | str = False,
        output_stride: int = 8,
    ) -> None:
        super().__init__()
        self.resnet = ResNetStages(model_name, pretrained=pretrained, output_stride=output_stride)
        channels = self.resnet.stage_channels
        self.out_channels = self.shared_channels = (channels[-1],)
        inputs = (channels[0], *(2 * width for width in channels[1:]))
        self.attention = nn.ModuleList(
            nn.ModuleDict({task: attention_module(entry, width) for task in tasks})
            for entry, width in zip(inputs, channels, strict=True)
        )
        self.refine = nn.ModuleList(
            bottleneck_block(width, following)
            for width, following in zip(channels, channels[1:], strict=False)
        )
        # The next stage halves the map as long as the output stride has not been reached; it rounds
        # up, as strided convolutions do.
        strides = (4, 8, 16, 32)
        self.pools = nn.ModuleList(
            nn.MaxPool2d(2, ceil_mode=True) if stride <= output_stride else nn.Identity()
            for stride in strides[1:]
        )

    def forward(self, inputs: Tensor) -> TaskFeatures:
        """Encode ``(N, 3, H, W)`` images for every task."""
        shared = self.resnet.stem(inputs)
        refined: dict[str, Tensor] = {}
        attended: dict[str, Tensor] = {}
        for index, (stage, attention) in enumerate(
            zip(self.resnet.stages, self.attention, strict=True)
        ):
            before = stage[:-1](shared)
            shared = stage[-1](before)
            for task, mask in attention.items():  # type: ignore[operator]
                entry = torch.cat([before, refined[task]], dim=1) if refined else before
                attended[task] = mask(entry) * shared
            if index < len(self.refine):
                refine, pool = self.refine[index], self.pools[index]
                refined = {task: pool(refine(feature)) for task, feature in attended.items()}
        return TaskFeatures({task: (x,) for task, x in attended.items()}, shared=(shared,))
