"""PSD: the pattern of each pixel's neighbourhood, spread within a task and handed across tasks."""

from collections.abc import Iterator, Mapping, Sequence
from functools import reduce
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mtl3d.models.decoders.two_step import TwoStepDecoder
from mtl3d.registry import MODELS


def neighbours(maps: Tensor, window: int) -> Iterator[Tensor]:
    """Shift maps so that each position sees one neighbour after the other, row by row.

    Args:
        maps: ``(N, C, h, w)``.
        window: Odd side k of the neighbourhood.

    Yields:
        ``k * k`` maps of the same shape, zero where the neighbour lies outside.
    """
    height, width = maps.shape[-2:]
    padded = F.pad(maps, (window // 2,) * 4)
    for top in range(window):
        for left in range(window):
            yield padded[..., top : top + height, left : left + width]


def local_affinity(maps: Tensor, window: int) -> Tensor:
    """Compare each position with its neighbours: a softmax of inner products over sqrt(C).

    Args:
        maps: ``(N, C, h, w)``.
        window: Odd side k of the neighbourhood.

    Returns:
        ``(N, k * k, h, w)``; sums to 1 over the neighbours, with zeros outside the image.
    """
    scale = maps.shape[1] ** -0.5
    products = torch.stack([(maps * x).sum(1) for x in neighbours(scale * maps, window)], dim=1)
    inside = torch.cat(list(neighbours(maps.new_ones(1, 1, *maps.shape[-2:]), window)), dim=1)
    return products.masked_fill(inside == 0, -torch.inf).softmax(dim=1)


def aggregate(weights: Tensor, maps: Tensor, window: int) -> Tensor:
    """Sum each position's neighbours with its own weights.

    Args:
        weights: ``(N, k * k, h, w)``.
        maps: ``(N, C, h, w)``.
        window: Odd side k of the neighbourhood.

    Returns:
        ``(N, C, h, w)``.
    """
    terms = zip(weights.split(1, dim=1), neighbours(maps, window), strict=True)
    return reduce(torch.add, (weight * x for weight, x in terms))


class PatternStructureDiffusion(nn.Module):
    """Diffusion inside each task, and of structures between tasks at the same position.

    ``f_t + a_t y_t + b_t z_t``: y is ``order`` rounds of local aggregation with the task's own
    weights A_t; z one round with ``A_t + sum_s w_ts A_s``, normalised, where w_ts is a sigmoid of
    the cosine between A_t and A_s. The learned a and b start at zero: the module is the identity.

    Args:
        tasks: The tasks.
        channels: Channels of every task's feature.
        affinity_channels: Channels in which positions are compared.
        window: Odd side of the neighbourhood.
        order: Rounds of aggregation inside a task.
    """

    def __init__(
        self, tasks: Sequence[str], channels: int, affinity_channels: int, window: int, order: int
    ) -> None:
        super().__init__()
        self.window = window
        self.order = order
        self.project = nn.ModuleDict(
            {task: nn.Conv2d(channels, affinity_channels, 1) for task in tasks}
        )
        self.matching_scale = nn.Parameter(torch.ones(()))
        self.matching_bias = nn.Parameter(torch.zeros(()))
        self.intra_weight = nn.ParameterDict({task: torch.zeros(()) for task in tasks})
        self.inter_weight = nn.ParameterDict({task: torch.zeros(()) for task in tasks})

    def intra(self, structure: Tensor, feature: Tensor) -> Tensor:
        """Aggregate ``(N, C, h, w)`` repeatedly with one task's ``(N, k * k, h, w)``."""
        for _ in range(self.order):
            feature = aggregate(structure, feature, self.window)
        return feature

    def transferred(self, structures: Mapping[str, Tensor], target: str) -> Tensor:
        """Add the other tasks' structures to the target's, by how well they match."""
        own = structures[target]
        total = own
        for source, other in structures.items():
            if source == target:
                continue
            match = F.cosine_similarity(own, other, dim=1).unsqueeze(1)
            total = total + (self.matching_scale * match + self.matching_bias).sigmoid() * other
        return total / total.sum(dim=1, keepdim=True)

    def forward(self, features: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Map task -> ``(N, channels, h, w)`` to the same layout."""
        structures = {
            task: local_affinity(project(features[task]), self.window)
            for task, project in self.project.items()
        }
        diffused = {}
        for task, feature in features.items():
            intra = self.intra(structures[task], feature)
            inter = aggregate(self.transferred(structures, task), feature, self.window)
            diffused[task] = (
                feature + self.intra_weight[task] * intra + self.inter_weight[task] * inter
            )
        return diffused


@MODELS.register_module()
class PSDDecoder(TwoStepDecoder):
    """Pattern-structure diffusion (Zhou et al., CVPR 2020), re-implemented from its idea.

    No code was published, and the paper's formulas are not known to us in detail. Certain, from its
    abstract, is: the local structure around each pixel is a small graph; inside a task structures
    spread by recursive aggregation; between tasks structures at the same position are transferred
    according to how well they match. Our choices are everything else: a structure is reduced to
    the weights from the centre to its neighbours, the weights are a softmax of inner products, the
    degree of matching is the sigmoid of a scaled cosine, and the widths, the order and the place of
    the module (on features of the finest map, after the initial predictions ``initial``).

    Args:
        in_channels: Channels of the backbone's features, high resolution first.
        out_channels: Task -> channels of its raw prediction.
        channels: Width of every task's feature.
        affinity_channels: Channels in which positions are compared.
        window: Odd side of the neighbourhood.
        order: Rounds of aggregation inside a task; each reaches ``window // 2`` pixels further.
        head: Config of every task's last layer.
        heads: Task -> config of its last layer, in place of ``head``.

    Shape:
        Features ``(N, in_channels[i], h_i, w_i)``; predictions and the auxiliary predictions
        ``initial`` are ``(N, out_channels[task], h_0, w_0)``.

    Raises:
        ValueError: ``window`` is not odd and at least 3, or ``order`` is negative.
    """

    def __init__(
        self,
        *,
        in_channels: Sequence[int],
        out_channels: Mapping[str, int],
        channels: int = 128,
        affinity_channels: int = 64,
        window: int = 3,
        order: int = 4,
        head: Mapping[str, Any] | None = None,
        heads: Mapping[str, Mapping[str, Any]] | None = None,
    ) -> None:
        super().__init__(
            in_channels=in_channels,
            out_channels=out_channels,
            channels=channels,
            head=head,
            heads=heads,
        )
        if window < 3 or window % 2 == 0:
            raise ValueError(f'window={window}: must be odd and at least 3')
        if order < 0:
            raise ValueError(f'order={order}: must not be negative')
        self.diffusion = PatternStructureDiffusion(
            list(out_channels), channels, affinity_channels, window, order
        )

    def exchange(self, features: dict[str, Tensor]) -> dict[str, Tensor]:
        """Diffuse structures inside each task and between the tasks."""
        return self.diffusion(features)
