"""ASTMT: one ResNet that every task runs on its own, each with its own modulation."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from mtl3d.models.backbones.timm_backbone import create_timm_model
from mtl3d.models.encoders.base import TaskFeatures
from mtl3d.models.layers import ConvNormAct
from mtl3d.models.layers.task_modulation import AdaptedConv, task_gates, task_norms
from mtl3d.registry import MODELS

#: Depth -> residual blocks of each stage.
BLOCKS = {26: (2, 2, 2, 2), 50: (3, 4, 6, 3), 101: (3, 4, 23, 3)}
#: Output stride -> stride and dilation of each stage.
STRIDES = {
    8: ((1, 1), (2, 1), (1, 2), (1, 4)),
    16: ((1, 1), (2, 1), (2, 1), (1, 2)),
    32: ((1, 1), (2, 1), (2, 1), (2, 1)),
}


class ModulatedBottleneck(nn.Module):
    """SE-ResNet's bottleneck with shared convolutions; all else, and an adapter, per task.

    The first 1x1 convolution carries the stride, as in the first ResNets.

    Args:
        tasks: The tasks.
        in_channels: Channels of the input map.
        width: Channels inside; the output has four times as many.
        stride: Stride of the block.
        dilation: Dilation of the 3x3 convolution.
    """

    def __init__(
        self, tasks: Sequence[str], in_channels: int, width: int, stride: int, dilation: int
    ) -> None:
        super().__init__()
        out_channels = 4 * width
        self.conv1 = nn.Conv2d(in_channels, width, 1, stride=stride, bias=False)
        self.conv2 = AdaptedConv(tasks, width, width, dilation=dilation)
        self.conv3 = nn.Conv2d(width, out_channels, 1, bias=False)
        self.norms1 = task_norms(tasks, width)
        self.norms2 = task_norms(tasks, width)
        self.norms3 = task_norms(tasks, out_channels)
        self.gates = task_gates(tasks, out_channels)
        self.act = nn.ReLU()
        self.shortcut: nn.Module | None = None
        if in_channels != out_channels:
            self.shortcut = nn.Conv2d(in_channels, out_channels, 1, stride=stride, bias=False)
            self.shortcut_norms = task_norms(tasks, out_channels)

    def forward(self, feature: Tensor, task: str) -> Tensor:
        """Map ``(N, in_channels, h, w)`` to ``(N, 4 * width, h / stride, w / stride)``."""
        shortcut = feature
        if self.shortcut is not None:
            shortcut = self.shortcut_norms[task](self.shortcut(feature))
        feature = self.act(self.norms1[task](self.conv1(feature)))
        feature = self.act(self.norms2[task](self.conv2(feature, task)))
        feature = self.gates[task](self.norms3[task](self.conv3(feature)))
        return self.act(feature + shortcut)


@MODELS.register_module()
class ASTMTEncoder(nn.Module):
    """The encoder of attentive single-tasking of multiple tasks (Maninis et al., CVPR 2019).

    An SE-ResNet whose convolutions all tasks share. Each task has its own BatchNorms, squeeze-and-
    excitations and residual adapters, and its own pass from the stem on. Only the stem's output is
    common to the tasks, so that there is no shared feature to regularize.

    Args:
        tasks: The model's tasks; ``MultiTaskModel`` fills them in.
        depth: 26, 50 or 101.
        output_stride: Stride of the last feature: 8, 16 (the published one) or 32.
        pretrained: True fetches timm's ``legacy_seresnet50`` or ``legacy_seresnet101``, which have
            the same convolutions, a path reads such weights from a file, False leaves PyTorch's
            initialisation. Every task starts from the same normalisations and excitations.

    Shape:
        Input ``(N, 3, H, W)``; per task the first stage's ``(N, 256, H / 4, W / 4)`` and the last
        one's ``(N, 2048, H / output_stride, W / output_stride)``.

    Raises:
        ValueError: ``depth`` or ``output_stride`` is another, or weights are asked for that do not
            exist (of depth 26).

    Attributes:
        out_channels: Channels of each task's features.
        shared_channels: None: no feature is common to the tasks.
    """

    task_specific = True
    shared_channels: tuple[int, ...] | None = None
    out_channels = (256, 2048)

    def __init__(
        self,
        *,
        tasks: Sequence[str],
        depth: int = 50,
        output_stride: int = 16,
        pretrained: bool | str = False,
    ) -> None:
        super().__init__()
        if depth not in BLOCKS:
            raise ValueError(f'depth={depth}: valid are {", ".join(map(str, BLOCKS))}')
        if output_stride not in STRIDES:
            raise ValueError(f'output_stride={output_stride}: valid are 8, 16, 32')
        if pretrained is not False and depth == 26:
            raise ValueError('pretrained: there are no public weights of depth=26')
        self.tasks = tuple(tasks)
        self.stem = nn.Sequential(
            ConvNormAct(3, 64, 7, stride=2), nn.MaxPool2d(3, stride=2, padding=1)
        )
        channels = 64
        self.stages = nn.ModuleList()
        for index, (stride, dilation) in enumerate(STRIDES[output_stride]):
            width = 64 * 2**index
            blocks = nn.ModuleList()
            for block in range(BLOCKS[depth][index]):
                blocks.append(
                    ModulatedBottleneck(tasks, channels, width, 1 if block else stride, dilation)
                )
                channels = 4 * width
            self.stages.append(blocks)
        if pretrained is not False:
            arguments = dict(num_classes=0, global_pool='')
            model = create_timm_model(f'legacy_seresnet{depth}', pretrained, arguments)
            self.load_seresnet(model.state_dict())

    def load_seresnet(self, weights: dict[str, Tensor]) -> None:
        """Copy an SE-ResNet in timm's ``legacy_seresnet`` naming, what is modulated to every task.

        Args:
            weights: Name -> tensor.

        Raises:
            KeyError: A tensor is missing.
        """
        with torch.no_grad():
            for name, target in self.state_dict().items():
                source = seresnet_name(name)
                if source is not None:
                    target.copy_(weights[source].reshape(target.shape))

    def forward(self, inputs: Tensor) -> TaskFeatures:
        """Encode ``(N, 3, H, W)`` images once per task."""
        stem = self.stem(inputs)
        return TaskFeatures({task: self._encode(stem, task) for task in self.tasks})

    def _encode(self, feature: Tensor, task: str) -> tuple[Tensor, Tensor]:
        maps = []
        for stage in self.stages:
            for block in stage:  # type: ignore[attr-defined]
                feature = block(feature, task)
            maps.append(feature)
        return maps[0], maps[-1]

    def init_weights(self) -> None:
        """Do nothing: MMEngine's Runner shall not undo the pretraining."""


def seresnet_name(name: str) -> str | None:
    """Find the tensor of timm's ``legacy_seresnet`` that a tensor of the encoder starts from.

    Args:
        name: A name in :class:`ASTMTEncoder`'s state dict.

    Returns:
        timm's name; None for adapters, which start at zero.
    """
    parts = name.split('.')
    if parts[0] == 'stem':
        part = {'conv': 'conv1', 'norm': 'bn1'}[parts[2]]
        return f'layer0.{part}.{parts[3]}'
    _, stage, block, module, *rest = parts
    prefix = f'layer{int(stage) + 1}.{block}'
    if 'adapters' in rest:
        return None
    if module in ('conv1', 'conv2', 'conv3'):
        return f'{prefix}.{module}.weight'
    if module == 'shortcut':
        return f'{prefix}.downsample.0.weight'
    if module == 'shortcut_norms':
        return f'{prefix}.downsample.1.{rest[1]}'
    if module == 'gates':  # gate.0 and gate.2
        return f'{prefix}.se_module.fc{int(rest[2]) // 2 + 1}.{rest[3]}'
    return f'{prefix}.bn{module.removeprefix("norms")}.{rest[1]}'
