"""Super-resolution of rendered maps, which the paper names as future work."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from mtl3d.models.regularizers.rendering.scene import NEGATIVE_SLOPE
from mtl3d.models.tasks.base import resize
from mtl3d.registry import MODELS


@MODELS.register_module()
class RenderingUpsampler(nn.Module):
    """Refine rendered predictions at a higher resolution, guided by rendered features.

    The idea is EG3D's (CVPR 2022, section 4.3): render few pixels, among them feature channels,
    and let convolutions supply the detail. Here they add a residual to the bilinearly enlarged
    predictions. The residual starts at 0, so training starts from plain rendering.

    Args:
        out_channels: Task -> channels of its raw prediction.
        scale: Factor of the resolution.
        in_channels: Channels of the features that are rendered, with the density of the tasks.
        hidden_channels: Channels of the convolutions.

    Raises:
        ValueError: ``scale`` is less than 1.
    """

    def __init__(
        self,
        *,
        out_channels: Mapping[str, int],
        scale: int = 2,
        in_channels: int = 32,
        hidden_channels: int = 32,
    ) -> None:
        super().__init__()
        if scale < 1:
            raise ValueError(f'scale={scale}: give a factor of at least 1')
        self.scale = scale
        self.in_channels = in_channels
        joined = in_channels + sum(out_channels.values())
        self.before = _convolution(joined, hidden_channels)
        self.after = _convolution(hidden_channels, hidden_channels)
        self.heads = nn.ModuleDict(
            {task: nn.Conv2d(hidden_channels, c, 1) for task, c in out_channels.items()}
        )
        for head in self.heads.values():
            nn.init.zeros_(head.weight)  # type: ignore[arg-type]
            nn.init.zeros_(head.bias)  # type: ignore[arg-type]

    def forward(self, predictions: Mapping[str, Tensor], features: Tensor) -> dict[str, Tensor]:
        """Enlarge predictions.

        Args:
            predictions: Task -> rendered raw values ``(N, C_t, h, w)``.
            features: Rendered features ``(N, in_channels, h, w)``.

        Returns:
            Task -> raw values ``(N, C_t, scale h, scale w)``.
        """
        size = [self.scale * side for side in features.shape[-2:]]
        hidden = self.before(torch.cat([*predictions.values(), features], dim=1))
        hidden = self.after(resize(hidden, size))
        return {
            task: resize(value, size) + self.heads[task](hidden)
            for task, value in predictions.items()
        }


def _convolution(in_channels: int, out_channels: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(in_channels, out_channels, 3, padding=1), nn.LeakyReLU(NEGATIVE_SLOPE)
    )
