"""Triangle meshes of simple solids, in metres, z up."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Mesh:
    """Triangles with a normal at each corner.

    Attributes:
        corners: ``(F, 3, 3)`` float64, corner positions in metres, triangle by triangle.
        normals: ``(F, 3, 3)`` float64, unit normals of the smooth surface at those corners,
            pointing out of the solid.
    """

    corners: Array
    normals: Array

    def moved(self, rotation: ArrayLike, translation: ArrayLike) -> 'Mesh':
        """Apply a rigid motion, ``x -> rotation @ x + translation``."""
        matrix = np.asarray(rotation, dtype=np.float64)
        return Mesh(self.corners @ matrix.T + np.asarray(translation), self.normals @ matrix.T)


def box(size: ArrayLike, center: ArrayLike = (0, 0, 0)) -> Mesh:
    """Make a cuboid.

    Args:
        size: Edge lengths along x, y, z.
        center: Its middle.
    """
    half = np.asarray(size, dtype=np.float64) / 2
    corners, normals = [], []
    for axis in range(3):
        u, v = np.eye(3)[(axis + 1) % 3], np.eye(3)[(axis + 2) % 3]
        for sign in (-1.0, 1.0):
            normal = sign * np.eye(3)[axis]
            quad = [normal - u - v, normal + u - v, normal + u + v, normal - u + v]
            corners += [[quad[0], quad[1], quad[2]], [quad[0], quad[2], quad[3]]]
            normals += [[normal] * 3] * 2
    return Mesh(np.array(corners) * half + np.asarray(center), np.array(normals))


def revolve(profile: ArrayLike, slopes: ArrayLike, segments: int = 20) -> Mesh:
    """Turn a profile about the z axis.

    Args:
        profile: ``(K, 2)``, radius and height of the profile's points from bottom to top. Two equal
            points make a sharp edge.
        slopes: ``(K, 2)``, outward unit normals at those points, as radial and z component.
        segments: Number of steps around the axis.
    """
    angle = np.linspace(0, 2 * np.pi, segments + 1)
    around = np.stack([np.cos(angle), np.sin(angle)], axis=1)

    def turn(points: ArrayLike) -> Array:
        points = np.asarray(points, dtype=np.float64)
        radial = points[:, None, :1] * around
        return np.concatenate(
            [radial, np.broadcast_to(points[:, None, 1:], (*radial.shape[:2], 1))], -1
        )

    def triangles(grid: Array) -> Array:
        a, b, c, d = grid[:-1, :-1], grid[:-1, 1:], grid[1:, 1:], grid[1:, :-1]
        both = np.stack([np.stack([a, b, c], 2), np.stack([a, c, d], 2)], 2)
        return both.reshape(-1, 3, 3)

    corners, normals = triangles(turn(profile)), triangles(turn(slopes))
    edges = corners[:, 1:] - corners[:, :1]
    solid = np.linalg.norm(np.cross(edges[:, 0], edges[:, 1]), axis=1) > 1e-12
    return Mesh(corners[solid], normals[solid])


def cylinder(
    radius: float, height: float, base: ArrayLike = (0, 0, 0), top_radius: float | None = None
) -> Mesh:
    """Make an upright cylinder, or a truncated cone when ``top_radius`` is given.

    Args:
        radius: Radius at the base.
        height: Extent along z.
        base: Centre of the bottom disc.
        top_radius: Radius at the top, by default ``radius``.
    """
    top = radius if top_radius is None else top_radius
    side = np.array([height, radius - top]) / np.hypot(height, radius - top)
    profile = [(0, 0), (radius, 0), (radius, 0), (top, height), (top, height), (0, height)]
    mesh = revolve(profile, [(0, -1), (0, -1), side, side, (0, 1), (0, 1)])
    return mesh.moved(np.eye(3), base)


def ellipsoid(
    radii: ArrayLike, center: ArrayLike = (0, 0, 0), squareness: float = 0.0, rings: int = 14
) -> Mesh:
    """Make an ellipsoid, or a cushion between an ellipsoid and a box (a superellipsoid).

    Args:
        radii: Half extents along x, y, z.
        center: Its middle.
        squareness: 0 for an ellipsoid; towards 1 for a box with ever sharper edges.
        rings: Number of steps from pole to pole; fewer for small things.
    """
    polar = np.linspace(-np.pi / 2, np.pi / 2, rings + 1)
    circle = np.stack([np.cos(polar), np.sin(polar)], axis=1)
    circle[[0, -1], 0] = 0
    unit = revolve(circle, circle, segments=4 * (rings // 2 - 1)).corners
    radii = np.asarray(radii, dtype=np.float64)
    power = 1 - squareness
    corners = np.sign(unit) * np.abs(unit) ** power
    normals = np.sign(unit) * np.abs(unit) ** (2 - power) / radii
    normals /= np.linalg.norm(normals, axis=-1, keepdims=True)
    return Mesh(corners * radii + np.asarray(center), normals)


def capsule(start: ArrayLike, end: ArrayLike, radius: float, end_radius: float) -> Mesh:
    """Make a limb: a truncated cone with round ends.

    Args:
        start: Centre of the first ball.
        end: Centre of the second ball.
        radius: Radius of the first ball.
        end_radius: Radius of the second ball.
    """
    start, end = np.asarray(start, dtype=np.float64), np.asarray(end, dtype=np.float64)
    length = float(np.linalg.norm(end - start))
    # Both balls touch the cone where the common normal has this inclination.
    tilt = np.arcsin(np.clip((radius - end_radius) / length, -1, 1))
    lower, upper = np.linspace(-np.pi / 2, tilt, 8), np.linspace(tilt, np.pi / 2, 8)
    circle = np.stack([np.cos(np.r_[lower, upper]), np.sin(np.r_[lower, upper])], axis=1)
    circle[[0, -1], 0] = 0
    profile = circle * np.repeat([radius, end_radius], 8)[:, None]
    profile[8:, 1] += length
    return revolve(profile, circle, segments=16).moved(_frame((end - start) / length), start)


def _frame(direction: Array) -> Array:
    """Make a rotation that takes the z axis to a unit direction."""
    helper = np.eye(3)[int(np.argmin(np.abs(direction)))]
    x = np.cross(helper, direction)
    x /= np.linalg.norm(x)
    return np.stack([x, np.cross(direction, x), direction], axis=1)
