"""The stages of InvPT's inverted pyramid: up-sampling, and attention across tasks and scales.

Source: Ye and Xu, "Inverted Pyramid Multi-task Transformer for Dense Scene Understanding", ECCV
2022, section 3.3. Everywhere a dict ``task -> map`` keeps the model's task order, in which the
tokens of all tasks are concatenated.
"""

from collections.abc import Mapping, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mtl3d.models.layers.conv_norm_act import ConvNormAct
from mtl3d.models.layers.tokens import map_to_tokens, tokens_to_map


class UpEmbedding(nn.Sequential):
    """Double a map's resolution, then two dilated convolutions to the next stage's width.

    Args:
        in_channels: Channels of the coarse map.
        out_channels: Channels of the fine map.

    Shape:
        Input ``(N, in_channels, h, w)``; output ``(N, out_channels, 2 h, 2 w)``.
    """

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__(
            ConvNormAct(in_channels, out_channels, dilation=2),
            ConvNormAct(out_channels, out_channels, dilation=2),
        )

    def forward(self, feature: Tensor) -> Tensor:
        """Map ``(N, in_channels, h, w)`` to ``(N, out_channels, 2 h, 2 w)``."""
        return super().forward(F.interpolate(feature, scale_factor=2, mode='bilinear'))


class CrossTaskAttention(nn.Module):
    """Attention among the tokens of all tasks, with scores handed on from stage to stage.

    Queries are at half the map's resolution, keys and values at the resolution that ``pool``
    leaves, so that the memory stays bounded as the maps grow. Before the softmax, the scores are
    fused with the up-sampled (already fused) scores of the previous stage.

    Two properties of the published code are kept because published weights need them: the scores
    are divided by the square root of the full width, not of a head's width; and the first stage
    has a ``fuse`` layer that nothing uses.

    Args:
        tasks: Names of the tasks.
        channels: Width of the tokens.
        pool: Side of the average pooling of keys and values.
        num_heads: Number of attention heads.
    """

    def __init__(self, tasks: Sequence[str], channels: int, pool: int, num_heads: int) -> None:
        super().__init__()
        self.pool = pool
        self.num_heads = num_heads
        self.query_conv = nn.ModuleDict(
            {
                t: ConvNormAct(channels, channels, stride=2, groups=channels, act=False)
                for t in tasks
            }
        )
        self.query = nn.Linear(channels, channels)
        self.key = nn.Linear(channels, channels)
        self.value = nn.Linear(channels, channels)
        self.proj = nn.Linear(channels, channels)
        self.fuse = nn.Conv2d(2 * num_heads, num_heads, 1)

    def forward(
        self, tokens: Tensor, size: Sequence[int], message: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        """Attend.

        Args:
            tokens: ``(N, T * h * w, C)`` normalised tokens of T tasks.
            size: (h, w).
            message: ``(N, heads, T * h/4 * w/4, K)`` scores of the previous stage, or None.

        Returns:
            The attended tokens ``(N, T * h * w, C)`` and the message to the next stage ``(N, heads,
            T * h/2 * w/2, K)``, where K is the number of keys, the same in all stages.
        """
        height, width = size
        half = (height // 2, width // 2)
        batch, _, channels = tokens.shape
        count = len(self.query_conv)
        maps = tokens_to_map(tokens.reshape(batch * count, -1, channels), size)

        per_task = maps.unflatten(0, (batch, count)).unbind(1)
        queries = [
            map_to_tokens(conv(task_map))
            for conv, task_map in zip(self.query_conv.values(), per_task, strict=True)
        ]
        query = self._split_heads(self.query(torch.cat(queries, dim=1)))
        pooled = map_to_tokens(F.avg_pool2d(maps, self.pool)).reshape(batch, -1, channels)
        key = self._split_heads(self.key(pooled))
        value = self._split_heads(self.value(pooled))

        scores = query @ key.transpose(-2, -1) * channels**-0.5
        if message is not None:
            message = self._double(message, (half[0] // 2, half[1] // 2))
            scores = self.fuse(torch.cat([scores, message], dim=1))
        attended = (scores.softmax(dim=-1) @ value).transpose(1, 2).flatten(2)
        attended = self.proj(attended).reshape(batch * count, -1, channels)
        enlarged = F.interpolate(tokens_to_map(attended, half), size=tuple(size), mode='bilinear')
        return map_to_tokens(enlarged).reshape(batch, -1, channels), scores

    def _split_heads(self, tokens: Tensor) -> Tensor:
        """``(N, L, C)`` to ``(N, heads, L, C / heads)``."""
        return tokens.unflatten(-1, (self.num_heads, -1)).transpose(1, 2)

    def _double(self, message: Tensor, size: Sequence[int]) -> Tensor:
        """Up-sample scores over the positions of their queries: the keys are the channels."""
        batch, heads, _, keys = message.shape
        maps = tokens_to_map(message.reshape(-1, size[0] * size[1], keys), size)
        doubled = F.interpolate(maps, scale_factor=2, mode='bilinear')
        return map_to_tokens(doubled).reshape(batch, heads, -1, keys)


class Mlp(nn.Module):
    """Two linear layers with an exact GELU between them.

    Args:
        channels: Width of the tokens.
        hidden_channels: Width of the hidden layer.
    """

    def __init__(self, channels: int, hidden_channels: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(channels, hidden_channels)
        self.fc2 = nn.Linear(hidden_channels, channels)

    def forward(self, tokens: Tensor) -> Tensor:
        """Map ``(..., channels)`` to ``(..., channels)``."""
        return self.fc2(F.gelu(self.fc1(tokens)))


class InvertedPyramidStage(nn.Module):
    """One scale of the pyramid: up-embedding per task, skip from the encoder, attention, MLP.

    Args:
        tasks: Names of the tasks.
        in_channels: Width of the previous stage; None for the first stage, which has neither
            up-embedding nor skip.
        channels: Width of this stage.
        pool: Side of the average pooling of keys and values.
        num_heads: Number of attention heads.
        mlp_ratio: Hidden width of the MLP, as a multiple of ``channels``.
    """

    def __init__(
        self,
        *,
        tasks: Sequence[str],
        in_channels: int | None,
        channels: int,
        pool: int,
        num_heads: int,
        mlp_ratio: float,
    ) -> None:
        super().__init__()
        if in_channels is not None:
            self.up = nn.ModuleDict({task: UpEmbedding(in_channels, channels) for task in tasks})
        self.norm1 = nn.LayerNorm(channels)
        self.attention = CrossTaskAttention(tasks, channels, pool, num_heads)
        self.norm2 = nn.LayerNorm(channels)
        self.mlp = Mlp(channels, int(mlp_ratio * channels))
        self._init_linear_layers()

    def _init_linear_layers(self) -> None:
        """Initialise as published: linear layers narrowly, convolutions as PyTorch does."""
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.trunc_normal_(module.weight, std=0.02)
                nn.init.zeros_(module.bias)

    def forward(
        self, maps: Mapping[str, Tensor], skip: Tensor | None, message: Tensor | None
    ) -> tuple[dict[str, Tensor], Tensor]:
        """Run the stage.

        Args:
            maps: Task -> ``(N, in_channels, h/2, w/2)``; for the first stage ``(N, channels, h,
                w)``.
            skip: ``(N, channels, h, w)`` feature of the encoder, added to every task's map.
            message: Scores of the previous stage, see :class:`CrossTaskAttention`.

        Returns:
            Task -> ``(N, channels, h, w)``, and the message to the next stage.
        """
        if skip is not None:
            maps = {task: self.up[task](feature) + skip for task, feature in maps.items()}
        size = next(iter(maps.values())).shape[-2:]
        tokens = torch.cat([map_to_tokens(feature) for feature in maps.values()], dim=1)
        attended, message = self.attention(self.norm1(tokens), size, message)
        tokens = tokens + attended
        tokens = tokens + self.mlp(self.norm2(tokens))
        per_task = tokens.chunk(len(maps), dim=1)
        return {t: tokens_to_map(x, size) for t, x in zip(maps, per_task, strict=True)}, message
