"""PAP: affinities between positions, combined across tasks, along which features diffuse."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mtl3d.models.decoders.base import DecoderOutput
from mtl3d.models.decoders.two_step import TwoStepDecoder
from mtl3d.models.layers import map_to_tokens, tokens_to_map
from mtl3d.models.loss_terms import labelled_loss
from mtl3d.models.losses import pairwise_l1, sample_pairs
from mtl3d.models.tasks.base import Task, resize
from mtl3d.registry import MODELS
from mtl3d.structures import LABEL_SPECS, LabelSpec, MultiTaskDataSample


def affinity(tokens: Tensor) -> Tensor:
    """Compare every position with every other: ``softmax_row(X X^T / sqrt(C))``.

    Args:
        tokens: X, ``(..., P, C)``.

    Returns:
        ``(..., P, P)``, non-negative, each row sums to 1.
    """
    scale = tokens.shape[-1] ** -0.5
    return (scale * tokens @ tokens.transpose(-1, -2)).softmax(dim=-1)


def diffuse(tokens: Tensor, matrix: Tensor, steps: int, rate: Tensor) -> Tensor:
    """Let features spread: ``rate * M^steps h + (1 - rate) * h``.

    Args:
        tokens: h, ``(..., P, C)``.
        matrix: M, ``(..., P, P)``, whose rows sum to 1.
        steps: How often M is applied.
        rate: Scalar in [0, 1].

    Returns:
        ``(..., P, C)``.
    """
    spread = tokens
    for _ in range(steps):
        spread = matrix @ spread
    return torch.lerp(tokens, spread, rate)


class PatternAffinitivePropagation(nn.Module):
    """Cross-task combination of affinities, and diffusion along the result, for all tasks at once.

    Args:
        num_tasks: Number T of tasks.
        channels: Channels of every task's feature.
        affinity_channels: Channels in which positions are compared.
        steps: Applications of the combined affinity.
        initial_rate: Initial share of the diffused feature, in (0, 1).

    Shape:
        Input and output ``(T, N, channels, h, w)``. Memory grows with ``T N (h w)^2``.
    """

    def __init__(
        self, num_tasks: int, channels: int, affinity_channels: int, steps: int, initial_rate: float
    ) -> None:
        super().__init__()
        self.steps = steps
        self.project = nn.ModuleList(
            nn.Conv2d(channels, affinity_channels, 1) for _ in range(num_tasks)
        )
        #: Row i, after a softmax, weighs the tasks' affinities for target task i.
        self.mixing_logits = nn.Parameter(torch.zeros(num_tasks, num_tasks))
        self.rate_logits = nn.Parameter(torch.full((num_tasks,), initial_rate).logit())

    def combined_affinities(self, features: Tensor) -> Tensor:
        """Compute ``(T, N, P, P)`` row-stochastic matrices, one per target task."""
        maps = [project(x) for project, x in zip(self.project, features, strict=True)]
        own = torch.stack([affinity(map_to_tokens(x)) for x in maps])
        return torch.einsum('ik,knpq->inpq', self.mixing_logits.softmax(dim=1), own)

    def forward(self, features: Tensor) -> Tensor:
        """Diffuse every task's feature."""
        matrices = self.combined_affinities(features)
        rates = self.rate_logits.sigmoid()
        return torch.stack(
            [
                tokens_to_map(diffuse(map_to_tokens(x), matrix, self.steps, rate), x.shape[-2:])
                for x, matrix, rate in zip(features, matrices, rates, strict=True)
            ]
        )


@MODELS.register_module()
class PAPDecoder(TwoStepDecoder):
    """Pattern-affinitive propagation (Zhang et al., CVPR 2019), re-implemented from its idea.

    No code was published. Certain, from the paper's abstract and figures, is the course: every task
    predicts once (auxiliary output ``initial``), an affinity matrix is learned per task, the
    matrices are combined with other weights for each target task, features diffuse along the
    combined affinity, and the diffused feature is read out. Our choices are the widths, the
    row-wise softmax as normalisation, a softmax over the combination weights (uniform at the
    start), the resolution of the affinities, the number of steps, that the diffused feature is
    added to the task's own at full resolution, and heads without further residual blocks.

    In training the final predictions also have a pair-wise affinity loss, which compares how two
    pixels relate in the prediction and in the label; the total loss is ``sum_t w_t (L_t +
    pair_weight L_pair,t)`` with the tasks' own weights. Certain is that the paper relates pixels by
    their depths, normals and the equality of their classes. Recalled, not certain, is that the loss
    is an L1 of the differences of depths and normals in sampled pairs, and its factor 0.2. Our
    choices are the number of pairs and their uniform distribution, the loss of the equality (see
    :func:`~mtl3d.models.losses.pairwise_l1`), that the tasks which the paper does not have are
    compared by equality, and that the initial predictions have no such loss.

    Args:
        in_channels: Channels of the backbone's features, high resolution first.
        out_channels: Task -> channels of its raw prediction.
        channels: Width of every task's feature.
        affinity_channels: Channels in which positions are compared.
        reduction: The affinities' grid is this much coarser than the first feature's, per side. Two
            on a map of stride 4 means 4032 x 4032 affinities per task for an image of 448 x 576.
        steps: Steps of the diffusion.
        initial_rate: Initial share of the diffused feature, in (0, 1); learned.
        pair_weight: Factor of the pair-wise affinity loss; 0 leaves it out.
        num_pairs: Pairs of pixels per image and task; those that lack a label do not count.
        head: Config of every task's last layer.
        heads: Task -> config of its last layer, in place of ``head``.

    Shape:
        Features ``(N, in_channels[i], h_i, w_i)``; predictions and the auxiliary predictions
        ``initial`` are ``(N, out_channels[task], h_0, w_0)``.

    Raises:
        ValueError: ``steps``, ``reduction`` or ``num_pairs`` is not positive, ``initial_rate`` not
            inside (0, 1), or ``pair_weight`` negative.
    """

    def __init__(
        self,
        *,
        in_channels: Sequence[int],
        out_channels: Mapping[str, int],
        channels: int = 128,
        affinity_channels: int = 64,
        reduction: int = 2,
        steps: int = 3,
        initial_rate: float = 0.5,
        pair_weight: float = 0.2,
        num_pairs: int = 1024,
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
        positive = dict(steps=steps, reduction=reduction, num_pairs=num_pairs)
        for name, value in positive.items():
            if value < 1:
                raise ValueError(f'{name}={value}: must be at least 1')
        if not 0 < initial_rate < 1:
            raise ValueError(f'initial_rate={initial_rate}: must lie inside (0, 1)')
        if pair_weight < 0:
            raise ValueError(f'pair_weight={pair_weight}: must not be negative')
        self.reduction = reduction
        self.pair_weight = pair_weight
        self.num_pairs = num_pairs
        self.propagation = PatternAffinitivePropagation(
            len(out_channels), channels, affinity_channels, steps, initial_rate
        )

    def exchange(self, features: dict[str, Tensor]) -> dict[str, Tensor]:
        """Add to each task what spreads along the combined affinities, on a coarser grid."""
        height, width = next(iter(features.values())).shape[-2:]
        grid = (-(-height // self.reduction), -(-width // self.reduction))
        coarse = torch.stack([F.adaptive_avg_pool2d(own, grid) for own in features.values()])
        return {
            task: own + resize(spread, (height, width))
            for (task, own), spread in zip(features.items(), self.propagation(coarse), strict=True)
        }

    def extra_losses(
        self,
        output: DecoderOutput,
        *,
        task_losses: Mapping[str, Tensor],
        tasks: Mapping[str, Task],
        samples: Sequence[MultiTaskDataSample],
    ) -> dict[str, Tensor]:
        """Compute ``pair_<task>``, see :class:`~mtl3d.models.decoders.HasExtraLosses`."""
        if not self.pair_weight:
            return {}
        losses = {}
        for name, logits in output.predictions.items():
            task = tasks[name]
            compare = partial(self._pair_loss, task, LABEL_SPECS[name])
            value = labelled_loss(compare, name, logits, samples)
            losses[f'pair_{name}'] = self.pair_weight * task.loss_weight * value
        return losses

    def _pair_loss(self, task: Task, spec: LabelSpec, logits: Tensor, label: Tensor) -> Tensor:
        values, labels = sample_pairs(logits.float(), label, self.num_pairs)
        return pairwise_l1(task.activate(values), labels, spec)
