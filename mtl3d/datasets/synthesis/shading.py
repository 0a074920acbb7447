"""Light at surface points: lamps with shadows, highlights, and occluded ambient light."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from mtl3d.datasets.synthesis.geometry import Geometry, Surface, dot, length
from mtl3d.datasets.synthesis.scene import Light

Array = NDArray[np.float64]

AMBIENT_RAYS = 3  # per sub-pixel
AMBIENT_REACH = 1.0  # metres
AMBIENT_FROM_ABOVE = np.array([0.30, 0.30, 0.31])
AMBIENT_FROM_BELOW = np.array([0.27, 0.25, 0.22])  # light that the floor sends back
SHADOW_BIAS = 1e-3  # metres off the surface, so that a surface does not shadow itself


def sequence(start: int, count: int, shift: Array) -> Array:
    """Cut evenly spread points out of the R2 sequence, shifted modulo 1.

    Source: M. Roberts, "The Unreasonable Effectiveness of Quasirandom Sequences", 2018.

    Args:
        start: Index of the first point.
        count: Number of points.
        shift: ``(N, 2)``, an offset per pixel.

    Returns:
        ``(count, N, 2)`` in [0, 1).
    """
    steps = np.arange(start, start + count)[:, None] * np.array(
        [0.7548776662466927, 0.5698402909980532]
    )
    points = steps[:, None] + shift
    return points - np.floor(points)


def direct_light(
    geometry: Geometry, surface: Surface, view: Array, light: Light, sample: Array
) -> tuple[Array, Array]:
    """Compute the light of one lamp, with shadows.

    Args:
        geometry: Casts the shadow rays.
        surface: The lit points.
        view: ``(N, 3)``, unit vectors from the points to the viewer.
        light: The lamp.
        sample: ``(N, 2)`` in [0, 1), the point on the lamp that each surface point looks at.

    Returns:
        Diffuse irradiance ``(N, 3)`` and the highlight's radiance ``(N, 3)`` at gloss 1.
    """
    edges = np.asarray(light.half_edges)
    spot = np.asarray(light.center) + (2 * sample - 1) @ edges
    start = surface.point + SHADOW_BIAS * surface.normal
    towards = spot - start
    distance = length(towards)
    towards /= distance
    distance = distance[:, 0]
    cosine = np.maximum(dot(surface.normal, towards), 0)
    # Closer than 60 cm the light does not grow further, or the wall behind a lamp would burn out.
    strength = 1 / np.maximum(distance, 0.6) ** 2
    if light.facing is not None:
        strength *= np.maximum(-(towards @ np.asarray(light.facing)), 0)
    lit = (cosine > 0) & (strength > 0)
    lit[lit] = ~geometry.blocked(start[lit], towards[lit], distance[lit])
    strength *= lit
    half = towards + view
    half /= np.maximum(length(half), 1e-9)
    highlight = np.maximum(dot(surface.normal, half), 0) ** 60
    power = np.asarray(light.power)
    return (strength * cosine)[:, None] * power, (strength * highlight)[:, None] * power


def ambient_light(geometry: Geometry, surface: Surface, samples: Array) -> Array:
    """Compute the light from all around, less where near surfaces cover the sky of a point.

    Args:
        geometry: Casts the rays.
        surface: The lit points.
        samples: ``(K, N, 2)`` in [0, 1), one direction each, spread by the cosine law.

    Returns:
        Irradiance ``(N, 3)``.
    """
    normal = surface.normal
    helper = np.where(np.abs(normal[:, 2:]) < 0.9, (0.0, 0.0, 1.0), (1.0, 0.0, 0.0))
    tangent = np.cross(helper, normal)
    tangent /= length(tangent)
    bitangent = np.cross(normal, tangent)
    start = surface.point + SHADOW_BIAS * normal
    reach = np.full(len(normal), AMBIENT_REACH)
    covered = np.zeros(len(normal))
    for u, v in samples.transpose(0, 2, 1):
        radius, angle = np.sqrt(u), 2 * np.pi * v
        direction = (
            (radius * np.cos(angle))[:, None] * tangent
            + (radius * np.sin(angle))[:, None] * bitangent
            + np.sqrt(1 - u)[:, None] * normal
        )
        covered += geometry.blocked(start, direction, reach)
    # What covers a point reflects some light itself, hence not down to zero.
    open_share = 1 - 0.8 * covered / len(samples)
    above = 0.5 + 0.5 * normal[:, 2:]
    return open_share[:, None] * (above * AMBIENT_FROM_ABOVE + (1 - above) * AMBIENT_FROM_BELOW)


def radiance(
    geometry: Geometry, surface: Surface, directions: Array, lights: Sequence[Light], start: int,
    shift: Array,
) -> Array:  # fmt: skip
    """Compute the light that surface points send to the viewer.

    Args:
        geometry: The scene.
        surface: The points that the viewer sees.
        directions: ``(N, 3)``, the rays that found them, of any length.
        lights: The lamps.
        start: Number of the sub-pixel, so that each one looks at other spots of the lamps.
        shift: ``(N, 2)`` in [0, 1), differs from pixel to pixel, to turn banding into grain.

    Returns:
        ``(N, 3)`` linear RGB.
    """
    view = -directions / length(directions)
    around = sequence(start * AMBIENT_RAYS, AMBIENT_RAYS, shift)
    diffuse = ambient_light(geometry, surface, around)
    shine = np.zeros_like(diffuse)
    for light in lights:
        spot = sequence(start, 1, shift)[0]
        irradiance, highlight = direct_light(geometry, surface, view, light, spot)
        diffuse += irradiance
        shine += highlight
    color = geometry.colors(surface)
    glow, gloss = geometry.glow[surface.solid, None], geometry.gloss[surface.solid, None]
    return np.where(glow > 0, glow * color, color * diffuse + gloss * shine)
