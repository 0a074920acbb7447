"""The walks in plain torch, over blocks of rays."""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import product

import torch
import torch.nn.functional as F
from torch import Tensor

from mtl3d.models.regularizers.rendering import fieldwise, reference
from mtl3d.models.regularizers.rendering.fieldwise import Sums, Walk, split_texels
from mtl3d.models.regularizers.rendering.scene import (
    NEGATIVE_SLOPE,
    GridRays,
    PaddingMode,
    PointRays,
    TriPlane,
    texel_positions,
)

#: Bytes of pre-activations that are held at a time (then come the next rows): what fits into the
#: cache of a CPU; elsewhere, where operations take long to start, an image of 56 x 72 x 48 points.
CPU_POINT_BYTES = 4 * 2**20
POINT_BYTES = 64 * 2**20


def look_up(planes: TriPlane, rays: GridRays, padding_mode: PaddingMode) -> Tensor:
    """Look up what the rays of a grid read of the planes; see ``fieldwise.Kernels``."""

    def matrix(positions: Tensor, plane: Tensor, axis: int) -> Tensor:
        return interpolation(positions, plane.shape[axis], padding_mode)

    xy, xz, yz = planes
    maps = (
        torch.einsum('ncyx,jy,ix->njic', xy, matrix(rays.y, xy, 2), matrix(rays.x, xy, 3)),
        torch.einsum('nczx,nkz,ix->nikc', xz, matrix(rays.z, xz, 2), matrix(rays.x, xz, 3)),
        torch.einsum('ncyz,jy,nkz->njkc', yz, matrix(rays.y, yz, 2), matrix(rays.z, yz, 3)),
    )
    return torch.cat([m.flatten(1, 2) for m in maps], dim=1)


def interpolation(positions: Tensor, size: int, padding_mode: PaddingMode) -> Tensor:
    """Write linear look-up along one axis as a matrix.

    A matrix, and not a gather, because its backward pass is another matrix product: the same bits
    on every run, without atomic additions.

    Args:
        positions: ``(..., D)`` coordinates in [-1, 1].
        size: Texels s along the axis.
        padding_mode: How the axis continues outside itself.

    Returns:
        ``(..., D, s)``, at most two entries of each row are not 0.
    """
    texel = texel_positions(positions, size, padding_mode)
    index = torch.arange(size, dtype=positions.dtype, device=positions.device)
    return F.relu(1 - (texel[..., None] - index).abs())


def grid_walk(size: tuple[int, int, int]) -> Walk:
    """Walk along the rays of a grid; see ``fieldwise.Kernels``."""

    def pre_activations(image: int, rows: slice, texels: Tensor, bias: Tensor) -> Tensor:
        xy, xz, yz = split_texels(texels, size)
        own = xy[:, rows, :, None] + bias[:, None, None, None]
        return own + (xz[:, None] + yz[:, rows, None])

    return _walk(pre_activations, size)


def point_walk(
    rays: PointRays, sizes: Sequence[tuple[int, int]], padding_mode: PaddingMode
) -> Walk:
    """Walk along arbitrary rays; see ``fieldwise.Kernels``."""

    def pre_activations(image: int, rows: slice, texels: Tensor, bias: Tensor) -> Tensor:
        # The units of all fields are channels of one plane: positions are looked up once.
        parts = texels.mT.flatten(0, 1)[None].split([a * b for a, b in sizes], dim=2)
        planes = TriPlane(*(p.unflatten(2, size) for p, size in zip(parts, sizes, strict=True)))
        found = reference.look_up(planes, rays.points[image : image + 1, rows], padding_mode)
        return (found[0].unflatten(-1, bias.shape) + bias).movedim(-2, 0)

    return _walk(pre_activations, rays.delta.shape[1:])


render = partial(fieldwise.render, kernels=fieldwise.Kernels(look_up, grid_walk, point_walk))


def _walk(
    pre_activations: Callable[[int, slice, Tensor, Tensor], Tensor], size: Sequence[int]
) -> Walk:
    """Walk some rows of an image at a time.

    Args:
        pre_activations: Image, rows, its texels ``(f, S, H)`` and the bias to
            ``(f, rows, w, D, H)``.
        size: ``(h, w, D)``.
    """
    height, width, samples = size

    def blocks(texels: Tensor) -> Iterator[tuple[int, slice]]:
        row = width * samples * len(texels) * texels.shape[-1] * texels.element_size()
        limit = CPU_POINT_BYTES if texels.device.type == 'cpu' else POINT_BYTES
        step = max(1, limit // row)
        for image, top in product(range(texels.shape[1]), range(0, height, step)):
            yield image, slice(top, top + step)

    def per_ray(tensor: Tensor, texels: Tensor) -> Tensor:
        return tensor.expand(*texels.shape[:2], height, width, -1)

    def over_units(texels: Tensor, bias: Tensor, u: Tensor) -> Tensor:
        u = per_ray(u, texels)
        out = texels.new_empty(*u.shape[:4], samples)
        for n, rows in blocks(texels):
            pre = pre_activations(n, rows, texels[:, n], bias)
            out[:, n, rows] = _sum_over_units(_hidden(pre), u[:, n, rows])
        return out

    def over_samples(texels: Tensor, bias: Tensor, s: Tensor) -> Tensor:
        s = per_ray(s, texels)
        out = texels.new_empty(*s.shape[:4], texels.shape[-1])
        for n, rows in blocks(texels):
            pre = pre_activations(n, rows, texels[:, n], bias)
            out[:, n, rows] = _sum_over_samples(_hidden(pre), s[:, n, rows])
        return out

    def back(texels: Tensor, bias: Tensor, s: Tensor, u: Tensor) -> Sums:
        s, u = per_ray(s, texels), per_ray(u, texels)
        sums = Sums(
            texels.new_empty(*u.shape[:4], samples),
            texels.new_empty(u.shape),
            torch.zeros_like(texels),
            torch.zeros_like(bias),
        )
        for n, rows in blocks(texels):
            leaves = [leaf.detach().requires_grad_() for leaf in (texels[:, n], bias)]
            with torch.enable_grad():
                pre = pre_activations(n, rows, *leaves)
            hidden, own_s, own_u = _hidden(pre.detach()), s[:, n, rows], u[:, n, rows]
            sums.over_units[:, n, rows] = _sum_over_units(hidden, own_u)
            sums.over_samples[:, n, rows] = _sum_over_samples(hidden, own_s)
            d_hidden = own_s[..., None] * own_u[..., None, :]
            d_pre = torch.where(pre.detach() > 0, d_hidden, NEGATIVE_SLOPE * d_hidden)
            d_texels, d_bias = torch.autograd.grad(pre, leaves, d_pre)
            sums.texels[:, n].add_(d_texels)
            sums.bias.add_(d_bias)
        return sums

    return Walk(over_units, over_samples, back)


def _hidden(pre: Tensor) -> Tensor:
    return F.leaky_relu(pre, NEGATIVE_SLOPE)


def _sum_over_units(hidden: Tensor, u: Tensor) -> Tensor:
    return (hidden @ u[..., None])[..., 0]


def _sum_over_samples(hidden: Tensor, s: Tensor) -> Tensor:
    return (s[..., None, :] @ hidden)[..., 0, :]
