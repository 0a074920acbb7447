"""The control of the paper's Table 4: the regularizer's tasks without its 3D structure."""

from collections.abc import Mapping, Sequence

from torch import Tensor, nn

from mtl3d.models.regularizers.encoder import FeatureEncoder, Features
from mtl3d.models.regularizers.rendering.scene import NEGATIVE_SLOPE
from mtl3d.models.tasks.select import select_tasks
from mtl3d.registry import MODELS


@MODELS.register_module()
class AuxiliaryHeads(nn.Module):
    """A second prediction per task, from the image plane alone.

    It has the encoder of :class:`TriplaneRegularizer` and heads like its fields (two layers,
    LeakyReLU), so that the comparison isolates the volume and its rendering. Used in training only.

    Args:
        in_channels: Channels of each of the backbone's features.
        out_channels: Task -> channels of its raw prediction.
        plane_channels: A third of the encoder's output channels, as in the regularizer.
        encoder_channels: Channels between the encoder's two convolutions.
        hidden_channels: Hidden units of each head.
        size: (H, W) of the predictions; None keeps the size of the backbone's first feature.
        dropout: Dropout in the encoder.
        tasks: Subset of tasks to predict; None means all.
        features: ``all`` features of the backbone, or the index of one.
        stop_gradient: Keep gradients from the shared encoder, for ablation.

    Shape:
        Input: features ``(N, in_channels[i], h_i, w_i)``; output: task -> raw predictions
        ``(N, out_channels[task], *size)``.

    Raises:
        ValueError: ``tasks`` or ``features`` names what is not there.
    """

    def __init__(
        self,
        *,
        in_channels: Sequence[int],
        out_channels: Mapping[str, int],
        plane_channels: int = 64,
        encoder_channels: int = 64,
        hidden_channels: int = 64,
        size: tuple[int, int] | None = None,
        dropout: float = 0.15,
        tasks: Sequence[str] | None = None,
        features: Features = 'all',
        stop_gradient: bool = False,
    ) -> None:
        super().__init__()
        self.encoder = FeatureEncoder(
            in_channels=in_channels,
            out_channels=3 * plane_channels,
            hidden_channels=encoder_channels,
            size=size,
            features=features,
            dropout=dropout,
            stop_gradient=stop_gradient,
        )
        self.heads = nn.ModuleDict(
            {
                task: nn.Sequential(
                    nn.Conv2d(3 * plane_channels, hidden_channels, 1),
                    nn.LeakyReLU(NEGATIVE_SLOPE),
                    nn.Conv2d(hidden_channels, channels, 1),
                )
                for task, channels in select_tasks(out_channels, tasks).items()
            }
        )

    def forward(self, features: Sequence[Tensor], cameras: None = None) -> dict[str, Tensor]:
        """Predict every task.

        Args:
            features: The backbone's features, ``(N, C_i, h_i, w_i)``.
            cameras: Must be None: heads on the image plane cannot show another view.

        Returns:
            Task -> raw predictions ``(N, C_t, h, w)``.

        Raises:
            ValueError: Cameras are given.
        """
        if cameras is not None:
            raise ValueError('cameras: AuxiliaryHeads have no volume to look at from another view')
        encoded = self.encoder(features)
        return {task: head(encoded) for task, head in self.heads.items()}
