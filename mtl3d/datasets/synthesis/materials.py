"""Procedural surface colours: a colour is computed from the surface point, there are no images."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Color = tuple[float, float, float]


@dataclass(frozen=True)
class Material:
    """How a surface looks.

    Attributes:
        color: sRGB in [0, 1].
        second: The pattern's other colour, sRGB in [0, 1].
        pattern: One of :data:`PATTERNS`.
        scale: Size of the pattern's period in metres.
        gloss: Strength of the highlight, 0 = matt.
        glow: Emitted light relative to the colour; a glowing surface casts no shadow.
    """

    color: Color
    second: Color = (0.0, 0.0, 0.0)
    pattern: str = 'plain'
    scale: float = 0.2
    gloss: float = 0.0
    glow: float = 0.0


def linear(srgb: Sequence[float] | Array) -> Array:
    """Convert sRGB values in [0, 1] to linear light (a plain power of 2.2)."""
    return np.asarray(srgb, dtype=np.float64) ** 2.2


def _hash(x: NDArray[np.int64], y: NDArray[np.int64]) -> Array:
    """Scramble two integers into a number in [0, 1]."""
    h = x.astype(np.uint32) * np.uint32(374761393) + y.astype(np.uint32) * np.uint32(668265263)
    h = (h ^ (h >> np.uint32(13))) * np.uint32(1274126177)
    return ((h ^ (h >> np.uint32(16))) & np.uint32(0xFFFF)) / 65535.0


def _cell(x: Array) -> NDArray[np.int64]:
    return np.floor(x).astype(np.int64)


def value_noise(u: Array, v: Array) -> Array:
    """Interpolate random values at the integer points smoothly; a number in [0, 1] per point."""
    iu, iv = _cell(u), _cell(v)
    fu, fv = u - iu, v - iv
    fu, fv = fu * fu * (3 - 2 * fu), fv * fv * (3 - 2 * fv)
    low = _hash(iu, iv) * (1 - fu) + _hash(iu + 1, iv) * fu
    high = _hash(iu, iv + 1) * (1 - fu) + _hash(iu + 1, iv + 1) * fu
    return low * (1 - fv) + high * fv


def _plain(u: Array, v: Array) -> Array:
    return 0.12 * value_noise(u, v)


def _fabric(u: Array, v: Array) -> Array:
    return 0.6 * value_noise(u * 9, v * 9) + 0.4 * value_noise(u, v)


def _checker(u: Array, v: Array) -> Array:
    return ((_cell(u) + _cell(v)) % 2).astype(np.float64)


def _tiles(u: Array, v: Array) -> Array:
    joint = (np.minimum(u % 1, v % 1) < 0.04).astype(np.float64)
    return np.maximum(joint, 0.25 * _hash(_cell(u), _cell(v)))


def _stripes(u: Array, v: Array) -> Array:
    return (u % 1 < 0.5).astype(np.float64)


def _dots(u: Array, v: Array) -> Array:
    return (np.hypot(u % 1 - 0.5, v % 1 - 0.5) < 0.28).astype(np.float64)


def _wood(u: Array, v: Array) -> Array:
    grain = v * 2 + 3 * value_noise(u * 0.5, v * 1.5)
    return 0.35 + 0.3 * np.sin(2 * np.pi * grain) + 0.3 * value_noise(u * 4, v * 40)


def _planks(u: Array, v: Array) -> Array:
    row = _cell(v)
    along = u / 7 + _hash(row, row) * 5
    tint = _hash(row, _cell(along))
    joint = (v % 1 < 0.05) | (along % 1 < 0.007)
    return np.where(joint, 1.0, 0.15 + 0.4 * tint + 0.3 * _wood(u + 31 * tint, v))


def _spines(u: Array, v: Array) -> Array:
    return np.where(u % 1 < 0.12, 0.0, _hash(_cell(u), np.zeros_like(_cell(u))))


def _painting(u: Array, v: Array) -> Array:
    hills = value_noise(u * 2, np.zeros_like(v)) * 0.5 + value_noise(u * 6, v * 3) * 0.25
    return np.clip(np.floor((v % 1 + hills) * 4) / 4, 0, 1)


PATTERNS = {
    'plain': _plain, 'fabric': _fabric, 'checker': _checker, 'tiles': _tiles, 'stripes': _stripes,
    'dots': _dots, 'wood': _wood, 'planks': _planks, 'spines': _spines, 'painting': _painting,
}  # fmt: skip


def albedo(
    materials: Sequence[Material], index: NDArray[np.intp], points: Array, normals: Array
) -> Array:
    """Compute surface colours.

    Args:
        materials: All materials of a scene.
        index: ``(N,)``, the material of each point.
        points: ``(N, 3)``, surface points in the frame of their object, in metres.
        normals: ``(N, 3)``, unit normals in that frame; their largest component decides which two
            coordinates the pattern is laid over.

    Returns:
        ``(N, 3)`` float64, linear reflectance in [0, 1].
    """
    scales = np.array([m.scale for m in materials])[index]
    axis = np.abs(normals).argmax(axis=1)
    rows = np.arange(len(points))
    u = points[rows, np.where(axis == 0, 1, 0)] / scales
    v = points[rows, np.where(axis == 2, 1, 2)] / scales
    blend = np.zeros(len(points))
    patterns = np.array([m.pattern for m in materials])[index]
    for name in np.unique(patterns):
        here = patterns == name
        blend[here] = PATTERNS[name](u[here], v[here])
    first = linear(np.array([m.color for m in materials]))[index]
    second = linear(np.array([m.second for m in materials]))[index]
    return first + (second - first) * np.clip(blend, 0, 1)[:, None]
