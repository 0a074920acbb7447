"""The same rendering without its waste: three exact identities, and a gradient written by hand.

1. Project, then sample. Look-up and sum of planes are linear, hence a field's first layer acts on
   plane texels, once each, instead of on points.
2. Rays along z separate: the pre-activation of sample k of the ray (j, i) is
   ``xy[j, i] + xz[i, k] + yz[j, k]``, a broadcast sum of three small maps; no point is looked up.
3. Render, then read out. The second layer is linear, hence it acts on composited hidden units,
   once per ray: ``sum_k w_k (W phi_k + b) = W (sum_k w_k phi_k) + b sum_k w_k``.

What is left per point are its hidden units ``phi = leaky_relu(pre)``, and these are needed in sums
only, in both passes:

* over hidden units, ``sum_h phi u``: the density's read-out (u is its weight vector) and the
  gradient of a ray's weights (u is the gradient of its composited units);
* over samples, ``sum_k phi s``: the composited units (s are the ray's weights) and the gradient of
  the density's weight vector (s is the gradient of its raw values).

In both cases the gradient of the pre-activation is ``s u phi'``. So a backend provides one thing: a
*walk* over all points that adds these up and stores phi nowhere.

Fields only meet in the weights of the rays. Hence as many of them are projected at a time as fit
into :data:`TEXEL_BYTES`, for all images at once, and projected again for the gradient.
"""

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from mtl3d.models.regularizers.rendering.scene import (
    FieldWeights,
    GridRays,
    PaddingMode,
    PointRays,
    Rendering,
    TriPlane,
)
from mtl3d.models.regularizers.rendering.termination import (
    Termination,
    terminate,
    terminate_gradient,
)

#: Bytes of projected texels that are held at a time (then come the next fields).
TEXEL_BYTES = 16 * 2**20


class Sums(NamedTuple):
    """What the walk of the backward pass adds up.

    Attributes:
        over_units: ``(f, N, h, w, D)``, ``sum_h phi u``.
        over_samples: ``(f, N, h, w, H)``, ``sum_k phi s``.
        texels: ``(f, N, S, H)``, the sums of ``s u phi'`` that belong to each texel.
        bias: ``(f, H)``, likewise.
    """

    over_units: Tensor
    over_samples: Tensor
    texels: Tensor
    bias: Tensor


class Walk(NamedTuple):
    """Walks over all points of f fields: for their densities, their values, and all gradients.

    All take projected texels ``(f, N, S, H)`` and their bias ``(f, H)`` first.

    Attributes:
        over_units: With u of ``(f, N, h, w, H)`` or ``(f, 1, 1, 1, H)`` to ``(f, N, h, w, D)``.
        over_samples: With s of ``(f or 1, N, h, w, D)`` to ``(f, N, h, w, H)``.
        back: With s and u to all sums.
    """

    over_units: Callable[[Tensor, Tensor, Tensor], Tensor]
    over_samples: Callable[[Tensor, Tensor, Tensor], Tensor]
    back: Callable[[Tensor, Tensor, Tensor, Tensor], Sums]


class Kernels(NamedTuple):
    """What differs between renderers.

    An image's S texels are those of its three maps (in x-y, x-z and y-z), one map after the other.

    Attributes:
        look_up: Planes, rays and padding to maps of ``(h, w)``, ``(w, D)`` and ``(h, D)`` texels:
            all that the rays read of the planes, ``(N, S, C)``.
        grid_walk: ``(h, w, D)`` to the walk along the rays of a grid, over such maps.
        point_walk: Rays, sizes of the planes and padding to the walk along arbitrary rays, over the
            planes themselves.
        terminate: As :func:`~mtl3d.models.regularizers.rendering.termination.terminate`.
        terminate_gradient: As ``terminate_gradient`` beside it.
    """

    look_up: Callable[[TriPlane, GridRays, PaddingMode], Tensor]
    grid_walk: Callable[[tuple[int, int, int]], Walk]
    point_walk: Callable[[PointRays, Sequence[tuple[int, int]], PaddingMode], Walk]
    terminate: Callable[[Tensor, Tensor, Tensor], Termination] = terminate
    terminate_gradient: Callable[[Tensor, Tensor, Tensor, Tensor, Termination], Tensor] = (
        terminate_gradient
    )


def render(
    planes: TriPlane,
    fields: FieldWeights,
    rays: GridRays | PointRays,
    *,
    padding_mode: PaddingMode = 'zeros',
    kernels: Kernels,
) -> Rendering:
    """Render all fields; see :func:`mtl3d.models.regularizers.rendering.render`.

    Args:
        planes: As there.
        fields: As there.
        rays: As there.
        padding_mode: As there.
        kernels: What looks planes up, walks over points and ends rays.
    """
    if isinstance(rays, GridRays):
        size = len(rays.y), len(rays.x), rays.z.shape[1]
        walk = kernels.grid_walk(size)
        texels = kernels.look_up(planes, rays, padding_mode)
        delta = rays.delta[:, None, None].expand(-1, *size[:2], -1)
    else:
        walk = kernels.point_walk(rays, [(p.shape[2], p.shape[3]) for p in planes], padding_mode)
        texels = torch.cat([plane.flatten(2).mT for plane in planes], dim=1)
        delta = rays.delta
    parameters = (*fields[:4], *fields.value_weights, *fields.value_biases)
    *values, opacity, depth = _Fieldwise.apply(
        kernels, walk, texels, delta, rays.depth, *parameters
    )
    return Rendering(tuple(values), opacity.transpose(0, 1), depth.transpose(0, 1))


def split_texels(texels: Tensor, size: tuple[int, int, int]) -> list[Tensor]:
    """View texels ``(..., S, H)`` of a grid's rays as the three maps, ``(..., a, b, H)`` each.

    Args:
        texels: The texels.
        size: ``(h, w, D)``; the maps' sides are ``(h, w)``, ``(w, D)`` and ``(h, D)``.
    """
    height, width, samples = size
    sides = [(height, width), (width, samples), (height, samples)]
    parts = texels.split([a * b for a, b in sides], dim=-2)
    return [part.unflatten(-2, side) for part, side in zip(parts, sides, strict=True)]


class _Fieldwise(torch.autograd.Function):
    """T values ``(N, C_t, h, w)``, opacity and depth ``(G, N, h, w)``, and their gradient.

    Of the fields, the G densities come first.
    """

    @staticmethod
    def forward(
        ctx: Any,
        kernels: Kernels,
        walk: Walk,
        texels: Tensor,
        delta: Tensor,
        depth: Tensor,
        *parameters: Tensor,
    ) -> tuple[Tensor, ...]:
        fields = _fields(parameters)
        of_densities, of_values = _groups(texels, fields)
        raw = delta.new_empty(len(fields.density_bias), *delta.shape)
        for group in of_densities:
            u = fields.density_weight[group, None, None, None]
            read = walk.over_units(_project(texels, fields, group), fields.hidden_bias[group], u)
            torch.add(read, fields.density_bias[group].view(-1, 1, 1, 1, 1), out=raw[group])
        ends = kernels.terminate(raw, delta, depth)
        values = []
        for group in of_values:
            s = _densities_of(ends.weights, fields, group)
            composited = walk.over_samples(
                _project(texels, fields, group), fields.hidden_bias[group], s
            )
            for t, hidden in zip(_tasks(fields, group), composited, strict=True):
                weight, bias = fields.value_weights[t], fields.value_biases[t]
                opacity = ends.opacity[_density_of(t, fields)].flatten(1)[:, None]
                value = torch.mul(opacity, bias[:, None])
                value.baddbmm_(weight.expand(len(hidden), -1, -1), hidden.flatten(1, 2).mT)
                values.append(value.unflatten(2, hidden.shape[1:3]))
        ctx.kernels, ctx.walk = kernels, walk
        ctx.save_for_backward(texels, delta, depth, raw, ends.weights, ends.opacity, *parameters)
        return *values, ends.opacity, ends.depth

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        return None, *_gradients(ctx.kernels, ctx.walk, gradients, *ctx.saved_tensors)


def _gradients(
    kernels: Kernels, walk: Walk, gradients: Sequence[Tensor], texels: Tensor, delta: Tensor,
    depth: Tensor, raw: Tensor, weights: Tensor, opacity: Tensor, *parameters: Tensor,
) -> tuple[Tensor | None, ...]:  # fmt: skip
    """Compute the gradients of what :class:`_Fieldwise` takes; ``d_x`` is the gradient of x."""
    fields = _fields(parameters)
    of_densities, of_values = _groups(texels, fields)
    d_fields = _fields([torch.empty_like(parameter) for parameter in parameters])
    rows = texels.flatten(0, 1)
    d_rows = torch.zeros_like(rows)

    def walk_back(group: slice, s: Tensor, u: Tensor) -> tuple[Tensor, Tensor]:
        """Walk, and take the gradients on to the first layers and the texels.

        Returns:
            The sums over units and over samples.
        """
        sums = walk.back(_project(texels, fields, group), fields.hidden_bias[group], s, u)
        d_projected = sums.texels.flatten(1, 2)
        d_fields.hidden_bias[group] = sums.bias
        for f, d_field in zip(range(group.start, group.stop), d_projected, strict=True):
            # One product per field: few GPU libraries cut the long sums of a batch of products.
            torch.mm(d_field.T, rows, out=d_fields.hidden_weight[f])
            d_rows.addmm_(d_field, fields.hidden_weight[f])
        return sums.over_units, sums.over_samples

    # What a group needs is freed with the frame of its function, before the next group begins.
    def value_fields_back(group: slice) -> None:
        tasks = _tasks(fields, group)
        d_hidden = texels.new_empty(len(tasks), *opacity.shape[1:], fields.hidden_bias.shape[1])
        for t, d_units in zip(tasks, d_hidden.flatten(2, 3), strict=True):
            g, d_value, bias = _density_of(t, fields), d_values[t], fields.value_biases[t]
            every = fields.value_weights[t].expand(len(d_value), -1, -1)
            torch.bmm(d_value.mT, every, out=d_units)
            d_opacity[g].flatten(1)[:, None].baddbmm_(bias.expand(len(d_value), 1, -1), d_value)
            opacities = opacity[g].flatten(1)[:, None]
            torch.sum(d_value * opacities, (0, 2), out=d_fields.value_biases[t])
        sums = walk_back(group, _densities_of(weights, fields, group), d_hidden)
        for t, of_task, hidden in zip(tasks, *sums, strict=True):
            of_rays = d_values[t].transpose(0, 1).flatten(1)  # (C_t, N h w)
            torch.mm(of_rays, hidden.flatten(0, 2), out=d_fields.value_weights[t])
            d_weights[_density_of(t, fields)].add_(of_task)

    def density_fields_back(group: slice) -> None:
        u = fields.density_weight[group, None, None, None]
        _, over_samples = walk_back(group, d_raw[group], u)
        torch.sum(over_samples, (1, 2, 3), out=d_fields.density_weight[group])

    *d_values, d_opacity, d_depth = gradients
    d_values = [d_value.flatten(2) for d_value in d_values]
    d_opacity = d_opacity.clone(memory_format=torch.contiguous_format)  # its parts are added to
    d_weights = torch.zeros_like(weights)
    for group in of_values:
        value_fields_back(group)
    d_ends = Termination(d_weights, d_opacity, d_depth)
    d_raw = kernels.terminate_gradient(raw, weights, delta, depth, d_ends)
    torch.sum(d_raw, (1, 2, 3, 4), out=d_fields.density_bias)
    for group in of_densities:
        density_fields_back(group)
    d_parameters = (*d_fields[:4], *d_fields.value_weights, *d_fields.value_biases)
    return None, d_rows.view_as(texels), None, None, *d_parameters


def _fields(parameters: Sequence[Tensor]) -> FieldWeights:
    """Put the parameters into their places."""
    hidden_weight, hidden_bias, density_weight, density_bias, *read_outs = parameters
    weights, biases = read_outs[: len(read_outs) // 2], read_outs[len(read_outs) // 2 :]
    return FieldWeights(
        hidden_weight, hidden_bias, density_weight, density_bias, tuple(weights), tuple(biases)
    )


def _groups(texels: Tensor, fields: FieldWeights) -> tuple[list[slice], list[slice]]:
    """Cut the density and the value fields into groups whose projected texels fit into memory."""
    num_fields, units = fields.hidden_bias.shape
    step = max(1, TEXEL_BYTES // (texels[..., 0].numel() * units * texels.element_size()))
    edges = [0, len(fields.density_bias), num_fields]
    densities, values = (
        [slice(f, min(f + step, stop)) for f in range(start, stop, step)]
        for start, stop in pairwise(edges)
    )
    return densities, values


def _project(texels: Tensor, fields: FieldWeights, group: slice) -> Tensor:
    """Apply the first layers of some fields: ``(N, S, C)`` to ``(f, N, S, H)``, without bias."""
    weights = fields.hidden_weight[group]
    projected = texels.flatten(0, 1).expand(len(weights), -1, -1).bmm(weights.mT)
    return projected.unflatten(1, texels.shape[:2])


def _tasks(fields: FieldWeights, group: slice) -> range:
    """Count the value fields of a group from 0."""
    num_densities = len(fields.density_bias)
    return range(group.start - num_densities, group.stop - num_densities)


def _density_of(task: int, fields: FieldWeights) -> int:
    """Tell which density belongs to a task: its own, or the only one."""
    return task if len(fields.density_bias) > 1 else 0


def _densities_of(weights: Tensor, fields: FieldWeights, group: slice) -> Tensor:
    """Take the weights of a group of value fields; ``(1, ...)`` if there is one density."""
    tasks = _tasks(fields, group)
    return weights[tasks.start : tasks.stop] if len(weights) > 1 else weights
