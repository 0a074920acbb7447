"""Shared convolutions that each task modulates in its own way."""

from collections.abc import Sequence

from torch import Tensor, nn

from mtl3d.models.layers.squeeze_excite import SqueezeExcite


def task_norms(tasks: Sequence[str], channels: int) -> nn.ModuleDict:
    """Make one BatchNorm per task."""
    return nn.ModuleDict({task: nn.BatchNorm2d(channels) for task in tasks})


def task_gates(tasks: Sequence[str], channels: int, reduction: int = 16) -> nn.ModuleDict:
    """Make one squeeze-and-excitation per task."""
    return nn.ModuleDict({task: SqueezeExcite(channels, reduction) for task in tasks})


class AdaptedConv(nn.Module):
    """A shared convolution plus one parallel 1x1 convolution per task, which starts at zero.

    Source: residual adapters (Rebuffi et al., CVPR 2018) as used by Maninis et al., CVPR 2019.

    Args:
        tasks: The tasks.
        in_channels: Channels of the input map.
        out_channels: Channels of the output map.
        kernel_size: Side of the (odd) kernel of the shared convolution.
        dilation: Its dilation; the padding follows it.
    """

    def __init__(
        self,
        tasks: Sequence[str],
        in_channels: int,
        out_channels: int,
        kernel_size: int = 3,
        *,
        dilation: int = 1,
    ) -> None:
        super().__init__()
        self.conv = nn.Conv2d(
            in_channels,
            out_channels,
            kernel_size,
            padding=dilation * (kernel_size // 2),
            dilation=dilation,
            bias=False,
        )
        self.adapters = nn.ModuleDict(
            {task: nn.Conv2d(in_channels, out_channels, 1, bias=False) for task in tasks}
        )
        for adapter in self.adapters.values():
            nn.init.zeros_(adapter.weight)  # type: ignore[arg-type]

    def forward(self, feature: Tensor, task: str) -> Tensor:
        """Map ``(N, in_channels, h, w)`` to ``(N, out_channels, h, w)`` for one task."""
        return self.conv(feature) + self.adapters[task](feature)


class ModulatedUnit(nn.Module):
    """Adapted convolution, and per task BatchNorm, ReLU, squeeze-and-excitation.

    Args:
        tasks: The tasks.
        in_channels: Channels of the input map.
        out_channels: Channels of the output map.
        kernel_size: Side of the (odd) kernel.
        dilation: Dilation of the convolution.
        reduction: Of the squeeze-and-excitation.
    """

    def __init__(
        self,
        tasks: Sequence[str],
        in_channels: int,
        out_channels: int,
        kernel_size: int = 3,
        *,
        dilation: int = 1,
        reduction: int = 16,
    ) -> None:
        super().__init__()
        self.conv = AdaptedConv(tasks, in_channels, out_channels, kernel_size, dilation=dilation)
        self.norms = task_norms(tasks, out_channels)
        self.act = nn.ReLU()
        self.gates = task_gates(tasks, out_channels, reduction)

    def forward(self, feature: Tensor, task: str) -> Tensor:
        """Map ``(N, in_channels, h, w)`` to ``(N, out_channels, h, w)`` for one task."""
        return self.gates[task](self.act(self.norms[task](self.conv(feature, task))))
