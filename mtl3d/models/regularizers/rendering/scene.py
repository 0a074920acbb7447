"""What every renderer takes and returns: planes, fields, rays, a rendering.

The volume is the cube ``[-1, 1]^3``: x to the right and y down the image, z away from the camera.
Sample positions are constants; gradients flow into planes and field weights only.
"""

from typing import Literal, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

#: Slope of the LeakyReLU between the two layers of a field (ICLR 2024 paper, section 3).
NEGATIVE_SLOPE = 0.2

#: How a plane continues outside itself: by zeros or by its border (as in ``F.grid_sample``).
PaddingMode = Literal['zeros', 'border']


class TriPlane(NamedTuple):
    """Three feature planes; the feature of a point is the sum of its three look-ups.

    Texel i of an axis with s texels is centred at ``-1 + (2 i + 1) / s`` (corners not aligned).
    Sizes may differ between planes, also along an axis that two planes share.

    Attributes:
        xy: ``(N, C, size_y, size_x)``.
        xz: ``(N, C, size_z, size_x)``.
        yz: ``(N, C, size_y, size_z)``.
    """

    xy: Tensor
    xz: Tensor
    yz: Tensor


class FieldWeights(NamedTuple):
    """G density fields and T value fields, each ``read_out(leaky_relu(hidden(feature)))``.

    Attributes:
        hidden_weight: ``(G + T, H, C)``, the first layers; the density fields come first.
        hidden_bias: ``(G + T, H)``.
        density_weight: ``(G, H)``, read-outs of the density fields; G is 1 (one density shared by
            all values) or T (value t has density t).
        density_bias: ``(G,)``.
        value_weights: T read-outs ``(C_t, H)``.
        value_biases: T biases ``(C_t,)``.
    """

    hidden_weight: Tensor
    hidden_bias: Tensor
    density_weight: Tensor
    density_bias: Tensor
    value_weights: tuple[Tensor, ...]
    value_biases: tuple[Tensor, ...]


class PointRays(NamedTuple):
    """Arbitrary rays, given by their sample points.

    Attributes:
        points: ``(N, h, w, D, 3)`` positions (x, y, z), nearest sample first.
        delta: ``(N, h, w, D)`` length of ray that each sample stands for; 0 makes a sample
            invisible (outside the volume, behind the camera).
        depth: ``(N, D)`` depth of each sample, for the expected depth; any unit.
    """

    points: Tensor
    delta: Tensor
    depth: Tensor


class GridRays(NamedTuple):
    """Rays along z through the points of a grid; all of an image share their sample depths.

    Attributes:
        x: ``(w,)`` columns of the grid.
        y: ``(h,)`` rows of the grid.
        z: ``(N, D)`` sample depths, nearest first.
        delta: ``(N, D)`` length of ray that each sample stands for.
        depth: ``(N, D)`` depth of each sample, for the expected depth; any unit.
    """

    x: Tensor
    y: Tensor
    z: Tensor
    delta: Tensor
    depth: Tensor

    def as_points(self) -> PointRays:
        """Write every sample's position and length out."""
        batch, samples = self.z.shape
        shape = (batch, len(self.y), len(self.x), samples)
        x = self.x[None, None, :, None].expand(shape)
        y = self.y[None, :, None, None].expand(shape)
        z = self.z[:, None, None, :].expand(shape)
        delta = self.delta[:, None, None, :].expand(shape)
        return PointRays(torch.stack([x, y, z], dim=-1), delta, self.depth)


class Rendering(NamedTuple):
    """The composited rays; ``weight_k`` is the chance that a ray ends in its sample k.

    Attributes:
        values: T maps ``(N, C_t, h, w)``, ``sum_k weight_k value_k``.
        opacity: ``(N, G, h, w)``, ``sum_k weight_k``, at most 1.
        depth: ``(N, G, h, w)``, ``sum_k weight_k depth_k``; divide by the opacity for the expected
            depth of the rays that end.
    """

    values: tuple[Tensor, ...]
    opacity: Tensor
    depth: Tensor


def normalized(rendering: Rendering) -> tuple[Tensor, ...]:
    """Divide the values by their opacity: the mean over the places where the ray ends.

    A ray through empty space keeps its value of 0.
    """
    scale = 1 / rendering.opacity.clamp(min=1e-6)
    count = len(rendering.values)
    scales = scale.expand(-1, count, -1, -1).split(1, dim=1)
    return tuple(value * s for value, s in zip(rendering.values, scales, strict=True))


def texel_centers(size: int, *, like: Tensor) -> Tensor:
    """Compute the centres of ``size`` equal cells of [-1, 1], ``(size,)``."""
    index = torch.arange(size, dtype=like.dtype, device=like.device)
    return (2 * index + 1) / size - 1


def texel_positions(positions: Tensor, size: int, padding_mode: PaddingMode) -> Tensor:
    """Tell where coordinates in [-1, 1] lie among the texels of an axis; 0 is the first."""
    texel = ((positions + 1) * size - 1) / 2
    return texel.clamp(0, size - 1) if padding_mode == 'border' else texel


def grid_rays(
    size: tuple[int, int], num_samples: int, batch: int, *, like: Tensor, jitter: bool = False
) -> GridRays:
    """Make one ray per pixel of view, with one sample in each of equal depth bins.

    Args:
        size: Rows h and columns w of the rendered map.
        num_samples: Samples per ray.
        batch: Number of images.
        like: Gives dtype and device.
        jitter: Move each sample to a random place of its bin, the same for all rays of an image
            (which keeps the rays separable); else it is the bin's centre.
    """
    height, width = size
    z = texel_centers(num_samples, like=like).expand(batch, -1)
    if jitter:
        z = z + (2 * torch.rand_like(z) - 1) / num_samples
    delta = torch.full_like(z, 2 / num_samples)
    return GridRays(texel_centers(width, like=like), texel_centers(height, like=like), z, delta, z)


def density(raw: Tensor) -> Tensor:
    """Turn a density field's raw values into densities, per unit of length.

    The shift by -1 (as in Mip-NeRF, ICCV 2021) starts training with a thin fog: at a raw value of
    0 about half of a ray passes the whole volume.
    """
    return F.softplus(raw - 1)


def ray_weights(optical_depth: Tensor) -> Tensor:
    """Compute the chance that a ray ends in each of its samples (Max 1995; NeRF, equation 3).

    Args:
        optical_depth: ``(..., D)``, density times length, nearest sample first.

    Returns:
        ``(..., D)``: ``T_k (1 - exp(-tau_k))`` with ``T_k = exp(-sum_{j<k} tau_j)``.
    """
    # Not `cumsum(all) - own`: a huge own value would swallow what lies in front of it.
    passed = F.pad(torch.cumsum(optical_depth[..., :-1], dim=-1), (1, 0))
    return torch.exp(-passed) * -torch.expm1(-optical_depth)
