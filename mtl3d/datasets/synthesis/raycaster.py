"""Rays against triangles by Embree (Wald et al., "Embree", ACM TOG 33(4), 2014)."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Hits:
    """Where rays meet triangles.

    Attributes:
        triangle: ``(N,)`` int, index of the triangle.
        distance: ``(N,)``, in units of the ray direction's length.
        weights: ``(N, 3)``, barycentric coordinates of the triangle's corners.
    """

    triangle: NDArray[np.intp]
    distance: Array
    weights: Array


class RayCaster:
    """Answers ray queries against a fixed set of triangles.

    Args:
        corners: ``(F, 3, 3)``, in metres.
    """

    def __init__(self, corners: Array) -> None:
        try:
            from embreex.mesh_construction import TriangleMesh
            from embreex.rtcore_scene import EmbreeScene
        except ImportError as error:
            raise ImportError(
                'Making SynthRooms casts rays with embreex, which is not installed here: '
                'pip install -r requirements/demo.txt'
            ) from error
        self._scene = EmbreeScene()
        TriangleMesh(self._scene, np.ascontiguousarray(corners, dtype=np.float32))

    def cast(self, origins: Array, directions: Array) -> Hits:
        """Find the first triangle on each ray.

        Args:
            origins: ``(N, 3)`` or ``(3,)``.
            directions: ``(N, 3)``, of any length.

        Raises:
            RuntimeError: A ray meets nothing, which cannot happen in a closed room.
        """
        directions = directions.astype(np.float32)
        origins = np.broadcast_to(origins, directions.shape).astype(np.float32)
        found = self._scene.run(origins, directions, query='INTERSECT', output=True)
        triangle = found['primID'].astype(np.intp)
        if (triangle < 0).any():
            raise RuntimeError(f'{int((triangle < 0).sum())} rays left the room')
        u, v = found['u'].astype(np.float64), found['v'].astype(np.float64)
        weights = np.stack([1 - u - v, u, v], axis=1)
        return Hits(triangle, found['tfar'].astype(np.float64), weights)

    def blocked(self, origins: Array, directions: Array, reach: Array) -> NDArray[np.bool_]:
        """Tell which rays meet any triangle within ``reach`` times the direction's length.

        Args:
            origins: ``(N, 3)``.
            directions: ``(N, 3)``.
            reach: ``(N,)``.
        """
        hit = self._scene.run(
            origins.astype(np.float32),
            directions.astype(np.float32),
            dists=reach.astype(np.float32),
            query='OCCLUDED',
        )
        return hit == 0
