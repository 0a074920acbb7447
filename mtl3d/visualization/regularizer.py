"""What the regularizer has learnt: its volume as slices, ray profiles and a point cloud."""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from mtl3d.models.encoders import shared_features
from mtl3d.models.multi_task_model import MultiTaskModel
from mtl3d.models.regularizers.rendering import metric_depth
from mtl3d.models.regularizers.rendering.reference import densities, look_up
from mtl3d.models.regularizers.rendering.scene import ray_weights
from mtl3d.models.regularizers.triplane import TriplaneRegularizer

#: Rays whose profiles are drawn, as (row, column) parts of the image.
PROFILES = ((0.25, 0.25), (0.25, 0.75), (0.5, 0.5), (0.75, 0.25), (0.75, 0.75))


@dataclass
class Volume:
    """The density that the regularizer sees in one image.

    Attributes:
        density: ``(h, w, D)`` float32, per half depth of the volume.
        weights: ``(h, w, D)`` float32, the chance that a ray ends in each of its samples.
        depth: ``(D,)`` metres, linear between the regularizer's ``near`` and ``far``.
        colors: ``(h, w, 3)`` uint8 RGB, the image at the size of the rendering.
    """

    density: np.ndarray
    weights: np.ndarray
    depth: np.ndarray
    colors: np.ndarray

    @property
    def opacity(self) -> np.ndarray:
        """``(h, w)``, the chance that a ray ends in the volume."""
        return self.weights.sum(-1)

    @property
    def expected_depth(self) -> np.ndarray:
        """``(h, w)`` metres, of the rays that end; 0 where none does."""
        opacity = self.opacity
        return np.divide(
            self.weights @ self.depth, opacity, out=np.zeros_like(opacity), where=opacity > 1e-3
        )


@torch.no_grad()
def read_volume(model: MultiTaskModel, inputs: Tensor) -> Volume:
    """Evaluate the (first) density field of a trained model.

    Args:
        model: A model in evaluation mode with a ``TriplaneRegularizer``.
        inputs: ``(1, 3, H, W)``, one image from the data preprocessor.

    Raises:
        ValueError: The model has no tri-plane.
    """
    regularizer = model.regularizer
    if not isinstance(regularizer, TriplaneRegularizer):
        raise ValueError(
            'the model has no TriplaneRegularizer: give a config of a model that was trained with '
            'one, and its training checkpoint (a published one has no regularizer)'
        )
    planes = regularizer.planes(shared_features(model.extract_feat(inputs)))
    rays = regularizer.grid_rays(planes)
    points = rays.as_points()
    feature = look_up(planes, points.points, regularizer.padding_mode)
    density = densities(feature, regularizer.fields.weights())[0, 0]
    weights = ray_weights(density * points.delta[0])
    preprocessor: Any = model.data_preprocessor
    image = (inputs[0] * preprocessor.std + preprocessor.mean)[None]
    small = F.interpolate(image, density.shape[:2], mode='area')[0].clamp(0, 255)
    return Volume(
        density=density.cpu().numpy(),
        weights=weights.cpu().numpy(),
        depth=metric_depth(rays.z[0], regularizer.near, regularizer.far).cpu().numpy(),
        colors=small.round().byte().permute(1, 2, 0).cpu().numpy(),
    )


def draw_volume(volume: Volume) -> np.ndarray:
    """Draw the image, the expected depth, the opacity, a slice from above, and ray profiles.

    Returns:
        ``(height, width, 3)`` uint8 RGB.

    Raises:
        ImportError: matplotlib is not installed.
    """
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError as error:
        raise ImportError('this picture needs matplotlib: pip install matplotlib') from error

    height, width, _ = volume.colors.shape
    figure = Figure(figsize=(13, 6.4), dpi=100, layout='constrained')
    canvas = FigureCanvasAgg(figure)
    pictures = figure.subplots(2, 3)
    image, depth, opacity, above, density, weights = pictures.flat
    image.imshow(volume.colors)
    image.set_title('image, with the rays below')
    shown = depth.imshow(volume.expected_depth, cmap='magma_r')
    depth.set_title('expected depth of the density [m]')
    figure.colorbar(shown, ax=depth)
    shown = opacity.imshow(volume.opacity, cmap='gray', vmin=0, vmax=1)
    opacity.set_title('opacity')
    figure.colorbar(shown, ax=opacity)
    shown = above.imshow(
        np.log10(volume.density[height // 2].T + 1e-4),
        origin='lower', aspect='auto', extent=(0, width, volume.depth[0], volume.depth[-1]),
    )  # fmt: skip
    above.set(title='middle row from above: log10 density', xlabel='column', ylabel='depth [m]')
    figure.colorbar(shown, ax=above)
    for row_part, column_part in PROFILES:
        row, column = int(row_part * height), int(column_part * width)
        (line,) = density.plot(volume.depth, volume.density[row, column])
        weights.plot(volume.depth, volume.weights[row, column], color=line.get_color())
        image.plot(column, row, 'o', color=line.get_color(), markeredgecolor='white')
    density.set(title='density along rays', xlabel='depth [m]', yscale='log')
    weights.set(title='weight of each sample', xlabel='depth [m]')
    for axes in (image, depth, opacity):
        axes.set_axis_off()
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3].copy()


def point_cloud(
    volume: Volume, *, field_of_view: float = 63.3, min_weight: float = 0.02
) -> tuple[np.ndarray, np.ndarray]:
    """Turn the samples in which rays end into points in the camera's frame.

    Args:
        volume: What :func:`read_volume` gives.
        field_of_view: Horizontal angle of the image in degrees; the default is that of NYUv2's
            camera (640 pixels at a focal length of 519).
        min_weight: Samples below this weight are left out.

    Returns:
        Points ``(P, 3)`` float32 in metres (x right, y down, z away), colours ``(P, 3)`` uint8.

    Raises:
        ValueError: ``field_of_view`` is no angle of a pinhole camera.
    """
    if not 0 < field_of_view < 180:
        raise ValueError(f'field_of_view={field_of_view}: give degrees between 0 and 180')
    height, width, _ = volume.colors.shape
    row, column, sample = np.nonzero(volume.weights >= min_weight)
    focal = width / 2 / math.tan(math.radians(field_of_view) / 2)
    z = volume.depth[sample]
    x = (column + 0.5 - width / 2) / focal * z
    y = (row + 0.5 - height / 2) / focal * z
    return np.stack([x, y, z], axis=1).astype(np.float32), volume.colors[row, column]


def write_ply(path: str | Path, points: np.ndarray, colors: np.ndarray) -> None:
    """Write a coloured point cloud as a binary PLY file, which every viewer opens.

    Args:
        path: The file.
        points: ``(P, 3)`` float32.
        colors: ``(P, 3)`` uint8 RGB.
    """
    vertices = np.empty(len(points), dtype=[('xyz', '<f4', 3), ('rgb', 'u1', 3)])
    vertices['xyz'], vertices['rgb'] = points, colors
    header = [
        'ply',
        'format binary_little_endian 1.0',
        f'element vertex {len(points)}',
        *(f'property float {axis}' for axis in 'xyz'),
        *(f'property uchar {color}' for color in ('red', 'green', 'blue')),
        'end_header\n',
    ]
    Path(path).write_bytes('\n'.join(header).encode() + vertices.tobytes())
