"""The neural fields that turn a point's feature into a density and into task values."""

from collections.abc import Mapping
from typing import Literal

import torch
from torch import nn

from mtl3d.models.regularizers.rendering import FieldWeights

Density = Literal['shared', 'per_task']


class Field(nn.Module):
    """Parameters of one light MLP: two layers, with a LeakyReLU in between.

    It has no ``forward``: the renderer evaluates all fields together (see
    :mod:`mtl3d.models.regularizers.rendering`).

    Args:
        in_channels: Channels of a point's feature.
        hidden_channels: Hidden units.
        out_channels: Values.
    """

    def __init__(self, *, in_channels: int, hidden_channels: int, out_channels: int) -> None:
        super().__init__()
        self.hidden = nn.Linear(in_channels, hidden_channels)
        self.read_out = nn.Linear(hidden_channels, out_channels)


class TaskFields(nn.Module):
    """One field per task, and the density that ties them to one geometry.

    Args:
        in_channels: Channels C of a point's feature.
        out_channels: Task -> channels of its value.
        hidden_channels: Hidden units H of each field (64 in the paper).
        density: ``shared``, one density field for all tasks (the paper, section 4.4), or
            ``per_task``, for ablation.
    """

    def __init__(
        self,
        *,
        in_channels: int,
        out_channels: Mapping[str, int],
        hidden_channels: int = 64,
        density: Density = 'shared',
    ) -> None:
        super().__init__()
        names = ['shared'] if density == 'shared' else list(out_channels)

        def field(channels: int) -> Field:
            return Field(
                in_channels=in_channels, hidden_channels=hidden_channels, out_channels=channels
            )

        self.densities = nn.ModuleDict({name: field(1) for name in names})
        self.tasks = nn.ModuleDict({name: field(c) for name, c in out_channels.items()})

    def weights(self) -> FieldWeights:
        """Stack the parameters as the renderer takes them, tasks in the order of construction."""
        densities: list[Field] = list(self.densities.values())  # type: ignore[arg-type]
        tasks: list[Field] = list(self.tasks.values())  # type: ignore[arg-type]

        return FieldWeights(
            hidden_weight=torch.stack([field.hidden.weight for field in densities + tasks]),
            hidden_bias=torch.stack([field.hidden.bias for field in densities + tasks]),
            density_weight=torch.cat([field.read_out.weight for field in densities]),
            density_bias=torch.cat([field.read_out.bias for field in densities]),
            value_weights=tuple(field.read_out.weight for field in tasks),
            value_biases=tuple(field.read_out.bias for field in tasks),
        )
