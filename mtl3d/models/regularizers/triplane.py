"""The 3D-aware regularizer: shared features as a tri-plane, all tasks rendered from it."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal, get_args

import torch
from torch import Tensor, nn

from mtl3d.models.regularizers.encoder import FeatureEncoder, Features
from mtl3d.models.regularizers.fields import Density, TaskFields
from mtl3d.models.regularizers.rendering import (
    Backend,
    Cameras,
    GridRays,
    PaddingMode,
    PointRays,
    Rendering,
    TriPlane,
    camera_rays,
    grid_rays,
    normalized,
    render,
    termination_depth,
)
from mtl3d.models.tasks.select import select_tasks
from mtl3d.registry import MODELS

DepthFrom = Literal['field', 'density']

#: The field whose values are no task's, but what an upsampler looks at.
_FEATURES = 'features'


@MODELS.register_module()
class TriplaneRegularizer(nn.Module):
    """A second prediction per task, volume-rendered from a tri-plane with one density for all.

    Multi-task Learning with 3D-Aware Regularization, ICLR 2024: a small encoder turns the shared
    features into three planes; the feature of a 3D point is the sum of its look-ups on them; one
    light field per task, and one density, are composited along a ray per pixel. The tasks can only
    agree on the same geometry. Used in training only: a model without it predicts the same bits.

    docs/regularizer.md says which of these defaults the paper fixes.

    Args:
        in_channels: Channels of each of the backbone's features.
        out_channels: Task -> channels of its raw prediction.
        plane_channels: Channels of each plane.
        encoder_channels: Channels between the encoder's two convolutions.
        hidden_channels: Hidden units of each field.
        render_size: (h, w) of the rendered maps: one ray per pixel.
        num_samples: Samples per ray.
        plane_size: (H, W) of each plane, None for ``render_size``. x and y have W and H texels; z
            has H texels on the x-z plane and W on the y-z plane, and is looked up bilinearly.
        jitter: In training, move each sample of a ray within its depth bin, all rays of an image
            alike; else, and always in evaluation, samples sit at the bins' centres.
        density: ``shared`` by all tasks, or ``per_task``.
        normalize_weights: Divide the rendered values by the ray's opacity; else light that leaves
            the volume counts as a raw value of 0.
        padding_mode: How planes continue beyond the centres of their outermost texels: to
            ``zeros``, or ``border``.
        backend: The renderer, see :func:`mtl3d.models.regularizers.rendering.render`.
        dropout: Dropout in the encoder.
        tasks: Subset of tasks to render (the paper's Table 6); None means all.
        features: ``all`` features of the backbone, resized and concatenated, or the index of one.
        stop_gradient: Keep gradients from the shared encoder, for ablation.
        near: Depth in metres of the volume's front. It and ``far`` matter for other cameras and for
            ``depth_from='density'`` alone.
        far: Depth in metres of the volume's back.
        depth_from: The rendered depth is the value of the depth ``field`` (the paper), or the
            ``density``'s expected depth ``sum_k weight_k depth_k``, which any camera sees
            consistently.
        upsampler: Config of a super-resolution of the rendered maps, ``RenderingUpsampler`` or
            one of yours; None for none.

    Shape:
        Input: features ``(N, in_channels[i], h_i, w_i)``; output: task -> raw predictions
        ``(N, out_channels[task], *render_size)``, float32, larger after an ``upsampler``.
        Activations come after rendering.

    Raises:
        ValueError: A size is not positive, ``density``, ``tasks``, ``features``, ``backend``,
            ``padding_mode`` or ``depth_from`` names what is not there, not ``0 < near < far``, or
            there is no shared density, no depth task, or no other task with
            ``depth_from='density'``.
    """

    def __init__(
        self,
        *,
        in_channels: Sequence[int],
        out_channels: Mapping[str, int],
        plane_channels: int = 64,
        encoder_channels: int = 64,
        hidden_channels: int = 64,
        render_size: tuple[int, int] = (56, 72),
        num_samples: int = 48,
        plane_size: tuple[int, int] | None = None,
        jitter: bool = True,
        density: Density = 'shared',
        normalize_weights: bool = False,
        padding_mode: PaddingMode = 'zeros',
        backend: Backend = 'auto',
        dropout: float = 0.15,
        tasks: Sequence[str] | None = None,
        features: Features = 'all',
        stop_gradient: bool = False,
        near: float = 0.1,
        far: float = 10.0,
        depth_from: DepthFrom = 'field',
        upsampler: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__()
        if not 0 < near < far:
            raise ValueError(f'near={near}, far={far}: they must satisfy 0 < near < far')
        self.near, self.far = near, far
        rendered_tasks = select_tasks(out_channels, tasks)
        self.depth_from = _one_of('depth_from', depth_from, get_args(DepthFrom))
        if depth_from == 'density':
            if 'depth' not in rendered_tasks or len(rendered_tasks) == 1 or density != 'shared':
                raise ValueError(
                    "depth_from='density' needs the task depth, another task, and density='shared'"
                    f'; here are the tasks {", ".join(rendered_tasks)} and {density=}'
                )
            del rendered_tasks['depth']
        self.render_size = _size('render_size', render_size)
        self.plane_size = _size('plane_size', plane_size or render_size)
        if num_samples < 1:
            raise ValueError(f'num_samples={num_samples}: a ray needs at least one sample')
        self.num_samples = num_samples
        self.jitter = jitter
        self.normalize_weights = normalize_weights
        self.padding_mode = _one_of('padding_mode', padding_mode, get_args(PaddingMode))
        self.backend = _one_of('backend', backend, get_args(Backend))
        self.encoder = FeatureEncoder(
            in_channels=in_channels,
            out_channels=3 * plane_channels,
            hidden_channels=encoder_channels,
            size=self.plane_size,
            features=features,
            dropout=dropout,
            stop_gradient=stop_gradient,
        )
        self.upsampler = None
        rendered_channels = dict(rendered_tasks)
        if upsampler is not None:
            self.upsampler = MODELS.build({**upsampler, 'out_channels': rendered_tasks})
            rendered_channels[_FEATURES] = self.upsampler.in_channels
        self.fields = TaskFields(
            in_channels=plane_channels,
            out_channels=rendered_channels,
            hidden_channels=hidden_channels,
            density=_one_of('density', density, get_args(Density)),
        )

    def forward(
        self, features: Sequence[Tensor], cameras: Cameras | None = None
    ) -> dict[str, Tensor]:
        """Render every task.

        Args:
            features: The backbone's features, ``(N, C_i, h_i, w_i)``.
            cameras: Other views; None renders each image from its own view.

        Returns:
            Task -> raw predictions ``(N, C_t, h, w)``, float32; with M cameras, M of them.
        """
        return self.predict(self.planes(features), cameras)

    def forward_views(
        self, features: Sequence[Tensor], cameras: Cameras
    ) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        """Render every image from its own view and from other views, encoding it once.

        Args:
            features: The backbone's features, ``(N, C_i, h_i, w_i)``.
            cameras: M other views.

        Returns:
            Predictions as of :meth:`forward`, for the N images and for the M views.
        """
        planes = self.planes(features)
        return self.predict(planes), self.predict(planes, cameras)

    def predict(self, planes: TriPlane, cameras: Cameras | None = None) -> dict[str, Tensor]:
        """Render every task from planes, see :meth:`forward`."""
        rays = None
        if cameras is not None:
            planes = TriPlane(*(plane[cameras.image] for plane in planes))
            rays = camera_rays(cameras, self.grid_rays(planes), self.near, self.far)
        rendering = self.render(planes, rays)
        values = normalized(rendering) if self.normalize_weights else rendering.values
        predictions = dict(zip(self.fields.tasks, values, strict=True))
        if self.upsampler is not None:
            guide = predictions.pop(_FEATURES)
            predictions = self.upsampler(predictions, guide)
        if self.depth_from == 'density':
            depth = termination_depth(rendering, self.near, self.far)
            if self.normalize_weights:
                depth = depth / rendering.opacity.clamp(min=1e-6)
            predictions['depth'] = depth
        return predictions

    def planes(self, features: Sequence[Tensor]) -> TriPlane:
        """Encode features ``(N, C_i, h_i, w_i)`` into planes of ``plane_channels`` channels."""
        xy, xz, yz = self.encoder(features).chunk(3, dim=1)
        return TriPlane(xy, xz, yz)

    def grid_rays(self, planes: TriPlane) -> GridRays:
        """Make one ray per pixel, along z; in training with jitter."""
        dtype = planes.xy.dtype if planes.xy.dtype == torch.float64 else torch.float32
        return grid_rays(
            self.render_size,
            self.num_samples,
            len(planes.xy),
            like=planes.xy.new_empty(0, dtype=dtype),
            jitter=self.jitter and self.training,
        )

    def render(self, planes: TriPlane, rays: GridRays | PointRays | None = None) -> Rendering:
        """Render planes along rays; None means :meth:`grid_rays`."""
        return render(
            planes,
            self.fields.weights(),
            rays or self.grid_rays(planes),
            backend=self.backend,
            padding_mode=self.padding_mode,
        )


def _size(name: str, value: Sequence[int]) -> tuple[int, int]:
    height, width = value
    if height < 1 or width < 1:
        raise ValueError(f'{name}={tuple(value)}: give a positive height and width')
    return int(height), int(width)


def _one_of(name: str, value: str, valid: Sequence[str]) -> Any:
    if value not in valid:
        raise ValueError(f"{name}='{value}': valid are {', '.join(valid)}")
    return value
