"""What one task's feature gathers from another's: ATRC's context pooling blocks."""

from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mtl3d.models.layers.context_attention import linear_attention, local_attention, pool_regions
from mtl3d.models.layers.conv_norm_act import ConvNormAct
from mtl3d.models.layers.tokens import map_to_tokens, tokens_to_map

#: Where a target task looks in a source task's feature.
Context = Literal['global', 'local', 't_label', 's_label']
CONTEXTS: tuple[Context, ...] = ('global', 'local', 't_label', 's_label')


class ContextPooling(nn.Module):
    """Attention from a target task's feature to a source task's.

    Source: Bruggemann et al., "Exploring Relational Context for Multi-Task Dense Prediction", ICCV
    2021, section 3.2. ``global`` attends to every position (linear attention with Softplus feature
    maps), ``local`` to a 9 x 9 neighbourhood, ``t_label`` and ``s_label`` to the averages of the
    source's feature over the label regions of the target and of the source.

    Args:
        channels: Channels of every task's feature.
        attention_channels: Width of queries, keys and values.
        context: The kind of context.
        affine_value: Give the values' normalisation a learnt scale; the relation search does
            without, so that its candidates are comparable.

    Shape:
        Features ``(N, channels, h, w)``; output ``(N, attention_channels, h, w)``.

    Raises:
        ValueError: ``context`` is unknown.
    """

    def __init__(
        self,
        *,
        channels: int,
        attention_channels: int,
        context: Context,
        affine_value: bool = True,
    ) -> None:
        super().__init__()
        if context not in CONTEXTS:
            raise ValueError(f"context='{context}': valid are {', '.join(CONTEXTS)}")
        self.context = context
        self.query = self._similarity_layers(channels, attention_channels)
        self.key = self._similarity_layers(channels, attention_channels)
        self.value = ConvNormAct(channels, attention_channels, 1, affine=affine_value)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.xavier_uniform_(module.weight)

    def _similarity_layers(self, channels: int, width: int) -> nn.Sequential:
        if self.context == 'global':  # needs positive similarities
            last = [ConvNormAct(width, width, 1, act=False), nn.Softplus()]
        else:
            last = [ConvNormAct(width, width, 1)]
        return nn.Sequential(ConvNormAct(channels, width, 1), *last)

    def forward(
        self,
        target: Tensor,
        source: Tensor,
        target_regions: Tensor | None = None,
        source_regions: Tensor | None = None,
    ) -> Tensor:
        """Gather the context of every position.

        Args:
            target: ``(N, channels, h, w)``, the feature that asks.
            source: ``(N, channels, h, w)``, the feature that is looked at.
            target_regions: ``(N, K, h * w)`` weights of the target's label regions, for
                ``t_label``.
            source_regions: The same of the source, for ``s_label``.
        """
        regions = dict(t_label=target_regions, s_label=source_regions).get(self.context)
        if regions is not None:
            source = pool_regions(regions, source)
        query, key, value = self.query(target), self.key(source), self.value(source)
        if self.context == 'local':
            return local_attention(query, key, value)
        attend = linear_attention if self.context == 'global' else F.scaled_dot_product_attention
        tokens = attend(map_to_tokens(query), map_to_tokens(key), map_to_tokens(value))
        return tokens_to_map(tokens, target.shape[-2:])


class MixedContext(nn.Module):
    """All candidate contexts of one pair of tasks, mixed by architecture parameters.

    Source: Bruggemann et al., ICCV 2021, section 3.3. Training draws one soft Gumbel-softmax sample
    per pair and forward pass. A pair is frozen for good, to its best candidate, once the two
    largest probabilities differ by ``freeze_gap``. Evaluation takes the best candidate. The first
    candidate is "no context": it adds nothing but takes its share of the weight.

    Args:
        channels: Channels of every task's feature.
        attention_channels: Width of queries, keys and values.
        contexts: The candidates besides "no context".
        freeze_gap: Difference of the two largest probabilities at which the pair is frozen.

    Shape:
        As :class:`ContextPooling`.

    Attributes:
        architecture: The architecture parameters ``(1 + len(contexts),)``.
        fixed_weights: The mixture of a frozen pair, zeros until then; same shape.
        temperature: Of the Gumbel-softmax; ``RelationSearchHook`` moves it.
    """

    fixed_weights: Tensor

    def __init__(
        self,
        *,
        channels: int,
        attention_channels: int,
        contexts: tuple[Context, ...] = CONTEXTS,
        freeze_gap: float = 0.3,
    ) -> None:
        super().__init__()
        self.candidates = nn.ModuleDict(
            {
                context: ContextPooling(
                    channels=channels,
                    attention_channels=attention_channels,
                    context=context,
                    affine_value=False,
                )
                for context in contexts
            }
        )
        self.architecture = nn.Parameter(torch.zeros(1 + len(contexts)))
        self.register_buffer('fixed_weights', torch.zeros(1 + len(contexts)))
        self.freeze_gap = freeze_gap
        self.temperature = 1.0

    @property
    def best(self) -> str:
        """Name of the most probable candidate, ``none`` for no context."""
        return ('none', *self.candidates)[int(self.architecture.argmax())]

    def entropy(self) -> Tensor:
        """Compute the entropy of the candidates' probabilities, a scalar in nats."""
        return -(self.architecture.softmax(0) * self.architecture.log_softmax(0)).sum()

    def mixture(self) -> Tensor:
        """Compute the candidates' weights for one forward pass, ``(1 + len(contexts),)``."""
        if self.training:
            self._freeze_if_decided()
            chosen = F.gumbel_softmax(self.architecture, tau=self.temperature, dim=0)
        else:
            chosen = self._one_hot()
        return torch.where(self.fixed_weights.any(), self.fixed_weights, chosen)

    def _one_hot(self) -> Tensor:
        best = self.architecture.detach().argmax()
        return F.one_hot(best, len(self.architecture)).to(self.architecture.dtype)

    @torch.no_grad()
    def _freeze_if_decided(self) -> None:
        first, second = self.architecture.softmax(0).topk(2).values
        decided = (first - second >= self.freeze_gap) & ~self.fixed_weights.any()
        # No branch, which would make the GPU wait for each of the pairs.
        self.fixed_weights.copy_(torch.where(decided, self._one_hot(), self.fixed_weights))

    def forward(
        self,
        target: Tensor,
        source: Tensor,
        target_regions: Tensor | None = None,
        source_regions: Tensor | None = None,
    ) -> Tensor:
        """Gather the mixed context of every position; see :meth:`ContextPooling.forward`."""
        _, *weights = self.mixture()
        pooled = [
            weight * candidate(target, source, target_regions, source_regions)
            for weight, candidate in zip(weights, self.candidates.values(), strict=True)
        ]
        return torch.stack(pooled).sum(dim=0)
