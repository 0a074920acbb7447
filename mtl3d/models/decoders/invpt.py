"""InvPT's decoder: preliminary predictions, then an inverted pyramid of cross-task attention."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from mtl3d.models.decoders.base import DecoderOutput
from mtl3d.models.heads import build_heads
from mtl3d.models.layers import ConvNormAct, map_to_tokens, tokens_to_map
from mtl3d.models.layers.inverted_pyramid import InvertedPyramidStage
from mtl3d.models.tasks.base import resize
from mtl3d.registry import MODELS

NUM_STAGES = 3


@MODELS.register_module()
class InvPTDecoder(nn.Module):
    """The decoder of InvPT (Ye and Xu, ECCV 2022), with the published code's exact arithmetic.

    Per task, the last feature at half its grid is turned into a preliminary feature and a
    preliminary prediction; both are mixed and enter three stages of growing resolution and
    shrinking width (:class:`mtl3d.models.layers.inverted_pyramid.InvertedPyramidStage`), in which
    the tokens of all tasks attend to each other. The stages' outputs are brought to the finest
    grid and summed; one convolution and the head follow.

    Some parameters exist only so that published weights fit, and never get a gradient: the skip of
    the third feature (``skips.2``), the first stage's ``attention.fuse``, the first row of
    ``reductions`` and ``unused_norm``. Hence DistributedDataParallel needs
    ``find_unused_parameters=True``.

    Args:
        in_channels: Channels of the four features.
        out_channels: Task -> channels of the raw prediction. The order matters: published weights
            need semseg, depth, normals, edge (NYUv2) or semseg, human_parts, saliency, normals,
            edge (PASCAL-Context).
        embed_dim: Channels of the preliminary feature.
        prediction_dim: How much wider the first stage is. Its width is ``embed_dim +
            prediction_dim``; each further stage has half the width.
        num_heads: Attention heads of each stage.
        mlp_ratio: Hidden width of the MLPs, as a multiple of the stage's width.
        head: Config of every task's head.
        heads: Task -> config of that task's head, in place of ``head``.

    Shape:
        Four features ``(N, in_channels[i], h, w)`` of one grid, h and w divisible by 4 (the image's
        sides by 64 with a patch of 16). Predictions ``(N, out_channels[task], 4 h, 4 w)``; the
        auxiliary predictions ``inter`` are ``(N, out_channels[task], h/2, w/2)``.

    Raises:
        ValueError: A width does not fit, or, when called, the features do not.
    """

    def __init__(
        self,
        *,
        in_channels: Sequence[int],
        out_channels: Mapping[str, int],
        embed_dim: int = 512,
        prediction_dim: int = 64,
        num_heads: int = 2,
        mlp_ratio: float = 4.0,
        head: Mapping[str, Any] | None = None,
        heads: Mapping[str, Mapping[str, Any]] | None = None,
    ) -> None:
        super().__init__()
        if len(in_channels) != NUM_STAGES + 1:
            raise ValueError(
                f'in_channels={tuple(in_channels)}: InvPT needs {NUM_STAGES + 1} features, of '
                'three blocks and the last one (for a TimmBackbone set out_blocks)'
            )
        width = embed_dim + prediction_dim
        if width % (4 * num_heads):
            raise ValueError(
                f'embed_dim + prediction_dim = {width} must be divisible by 4 * num_heads = '
                f'{4 * num_heads}'
            )
        tasks = list(out_channels)
        widths = [width // 2**stage for stage in range(NUM_STAGES)]
        last = in_channels[-1]

        self.skips = nn.ModuleList(
            [
                nn.ConvTranspose2d(
                    in_channels[0], widths[2], 3, stride=2, padding=1, output_padding=1
                ),
                nn.Conv2d(in_channels[1], widths[1], 3, padding=1),
                nn.Conv2d(in_channels[2], widths[0], 3, padding=1),
            ]
        )
        self.preliminary = nn.ModuleDict(
            {
                task: nn.Sequential(ConvNormAct(last, last), ConvNormAct(last, embed_dim))
                for task in tasks
            }
        )
        self.preliminary_heads = nn.ModuleDict(
            {task: nn.Conv2d(embed_dim, channels, 1) for task, channels in out_channels.items()}
        )
        self.mix = nn.ModuleDict(
            {t: nn.Conv2d(embed_dim + channels, width, 1) for t, channels in out_channels.items()}
        )
        self.stages = nn.ModuleList(
            [
                InvertedPyramidStage(
                    tasks=tasks,
                    in_channels=widths[stage - 1] if stage else None,
                    channels=widths[stage],
                    pool=2 ** (stage + 1),
                    num_heads=num_heads,
                    mlp_ratio=mlp_ratio,
                )
                for stage in range(NUM_STAGES)
            ]
        )
        self.stage_norms = nn.ModuleList([nn.LayerNorm(len(tasks) * w) for w in widths])
        self.reductions = nn.ModuleList(
            [nn.ModuleDict({task: nn.Conv2d(w, width, 1) for task in tasks}) for w in widths]
        )
        self.unused_norm = nn.LayerNorm(len(tasks) * widths[-1])
        self.project = nn.ModuleDict({task: _projection(width) for task in tasks})
        self.heads = build_heads(
            head or dict(type='ConvHead'), heads, in_channels=width, out_channels=out_channels
        )

    def forward(self, features: Sequence[Tensor]) -> DecoderOutput:
        """Predict every task.

        Args:
            features: Four ``(N, C, h, w)`` maps of one grid, the last one after the final norm.

        Returns:
            Predictions at ``(4 h, 4 w)`` and, as auxiliary ``inter``, at ``(h/2, w/2)``.
        """
        self._check_grid(features)
        height, width = features[-1].shape[-2:]
        coarse = resize(features[-1], (height // 2, width // 2))
        preliminary = {task: layers(coarse) for task, layers in self.preliminary.items()}
        inter = {task: self.preliminary_heads[task](x) for task, x in preliminary.items()}
        maps = {
            task: self.mix[task](torch.cat([x, inter[task]], dim=1))
            for task, x in preliminary.items()
        }

        skips = (None, self.skips[1](features[1]), self.skips[0](features[0]))
        size = (4 * height, 4 * width)
        message = None
        fused: dict[str, Tensor] = {}
        for index, (stage, skip) in enumerate(zip(self.stages, skips, strict=True)):
            maps, message = stage(maps, skip, message)
            for task, contribution in self._contributions(index, maps).items():
                enlarged = resize(contribution, size)
                fused[task] = fused[task] + enlarged if task in fused else enlarged
        predictions = {t: self.heads[t](self.project[t](x)) for t, x in fused.items()}
        return DecoderOutput(predictions=predictions, auxiliary=dict(inter=inter))

    def _contributions(self, index: int, maps: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Make a stage's part of the multi-scale sum: task -> ``(N, width, h, w)``.

        The norm is over the channels of all tasks together; the stages themselves go on with the
        maps as they were.
        """
        joint = torch.cat(list(maps.values()), dim=1)
        joint = tokens_to_map(self.stage_norms[index](map_to_tokens(joint)), joint.shape[-2:])
        normed = dict(zip(maps, joint.chunk(len(maps), dim=1), strict=True))
        if index == 0:
            return normed
        reductions: Any = self.reductions[index]
        return {task: reductions[task](x) for task, x in normed.items()}

    def _check_grid(self, features: Sequence[Tensor]) -> None:
        grids = [tuple(feature.shape[-2:]) for feature in features]
        if len(grids) != NUM_STAGES + 1 or len(set(grids)) != 1:
            raise ValueError(
                f'features: InvPT needs {NUM_STAGES + 1} maps of one grid, but got the '
                f'grids {grids}'
            )
        if any(side % 4 for side in grids[0]):
            raise ValueError(
                f"features: the grid {grids[0]} must be divisible by 4, so the image's sides by 4 "
                'times the patch size (64 with a patch of 16)'
            )


def _projection(width: int) -> ConvNormAct:
    """Make the last convolution before the head, initialised as published."""
    projection = ConvNormAct(width, width, bias=True)
    nn.init.trunc_normal_(projection.conv.weight, std=0.02)
    return projection
