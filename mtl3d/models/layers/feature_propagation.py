"""MTI-Net's feature propagation: what all tasks know at a coarse scale, handed to the next."""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from mtl3d.models.layers.residual_block import basic_block
from mtl3d.models.layers.squeeze_excite import SqueezeExcite


class FeaturePropagation(nn.Module):
    """Fuse all tasks' features, gate them, and give each task its residual share.

    Source: Vandenhende et al., "MTI-Net", ECCV 2020, section 3.3. The gate is a softmax. The
    published code reshapes the task-major channels to (C, N) before it, so that each softmax runs
    over N *adjacent channels*, nearly always of one task, and not over the N tasks as the paper's
    text has it. Published weights and numbers need that, so it is kept.

    Args:
        tasks: The N tasks, in the order in which their channels are concatenated.
        channels: Channels C of every task's feature.
    """

    def __init__(self, tasks: Sequence[str], channels: int) -> None:
        super().__init__()
        self.count = len(tasks)
        total = self.count * channels
        hidden = total // 4
        self.mask = nn.Sequential(
            basic_block(total, hidden), basic_block(hidden, hidden), nn.Conv2d(hidden, total, 1)
        )
        self.reduce = basic_block(total, channels)
        self.excite = nn.ModuleDict({task: SqueezeExcite(channels) for task in tasks})

    def forward(self, features: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Map task -> ``(N, channels, h, w)`` to the same layout."""
        stacked = torch.cat([features[task] for task in self.excite], dim=1)
        groups = self.mask(stacked).unflatten(1, (-1, self.count))
        shared = self.reduce(groups.softmax(dim=2).flatten(1, 2) * stacked)
        return {task: gate(shared) + features[task] for task, gate in self.excite.items()}
