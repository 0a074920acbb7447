"""The triangles of a whole scene, and the surface points that rays find on them."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mtl3d.datasets.synthesis.classes import HUMAN_PARTS, SEMANTIC_CLASSES
from mtl3d.datasets.synthesis.materials import albedo
from mtl3d.datasets.synthesis.raycaster import RayCaster
from mtl3d.datasets.synthesis.scene import Scene

Array = NDArray[np.float64]
Index = NDArray[np.intp]


def dot(a: Array, b: Array) -> Array:
    """Compute the dot products of ``(N, 3)`` and ``(N, 3)``: ``(N,)``."""
    return np.einsum('nc,nc->n', a, b)


def length(a: Array) -> Array:
    """Compute the lengths of ``(N, 3)`` vectors: ``(N, 1)``."""
    return np.sqrt(dot(a, a))[:, None]


@dataclass(frozen=True)
class Surface:
    """What N rays see.

    Attributes:
        depth: ``(N,)``, distance along the ray in units of the ray direction's length.
        point: ``(N, 3)``, in the world, metres.
        normal: ``(N, 3)``, unit normals in the world, towards the viewer.
        solid: ``(N,)``, index of the solid.
        flat: ``(N,)`` bool, whether the point lies on a flat face.
    """

    depth: Array
    point: Array
    normal: Array
    solid: Index
    flat: NDArray[np.bool_]


class Geometry:
    """A scene as arrays, ready for rays.

    Attributes:
        semantic: ``(S,)``, class id of each solid.
        part: ``(S,)``, human part id of each solid.
        instance: ``(S,)``, index of the item that each solid belongs to.
        glow: ``(S,)``, emitted light of each solid.
        gloss: ``(S,)``, strength of each solid's highlight.
    """

    def __init__(self, scene: Scene) -> None:
        pairs = [(i, item, solid) for i, item in enumerate(scene.items) for solid in item.solids]
        self._materials = [solid.material for _, _, solid in pairs]
        self.semantic = np.array([SEMANTIC_CLASSES.index(s.semantic) for _, _, s in pairs])
        self.part = np.array([HUMAN_PARTS.index(s.part) for _, _, s in pairs])
        self.instance = np.array([i for i, _, _ in pairs])
        self.glow = np.array([m.glow for m in self._materials])
        self.gloss = np.array([m.gloss for m in self._materials])
        self._rotation = np.stack([item.rotation for _, item, _ in pairs])
        self._position = np.array([item.position for _, item, _ in pairs])
        corners = np.concatenate([item.to_room(s.mesh.corners) for _, item, s in pairs])
        self._normals = np.concatenate([s.mesh.normals @ item.rotation.T for _, item, s in pairs])
        counts = [len(s.mesh.corners) for _, _, s in pairs]
        self._solid = np.repeat(np.arange(len(pairs)), counts)
        self._flat = np.ptp(self._normals, axis=1).max(axis=1) < 1e-9
        self._everything = RayCaster(corners)
        self._opaque = RayCaster(corners[self.glow[self._solid] == 0])

    def look(self, origin: Array, directions: Array) -> Surface:
        """Find the surface along rays.

        Args:
            origin: ``(3,)``.
            directions: ``(N, 3)``; their length is the unit of the returned depth.
        """
        hits = self._everything.cast(origin, directions)
        normal = np.einsum('nk,nkc->nc', hits.weights, self._normals[hits.triangle])
        normal /= length(normal)
        # Near a silhouette the smooth normal can lean away from the viewer: turn it to grazing.
        ray = directions / length(directions)
        away = np.maximum(dot(normal, ray)[:, None] + 1e-3, 0)
        normal = normal - away * ray
        normal /= length(normal)
        return Surface(
            hits.distance,
            origin + hits.distance[:, None] * directions,
            normal,
            self._solid[hits.triangle],
            self._flat[hits.triangle],
        )

    def colors(self, surface: Surface) -> Array:
        """Evaluate the materials; ``(N, 3)`` linear reflectance."""
        rotation = self._rotation[surface.solid]
        local = np.einsum('nji,nj->ni', rotation, surface.point - self._position[surface.solid])
        normal = np.einsum('nji,nj->ni', rotation, surface.normal)
        return albedo(self._materials, surface.solid, local, normal)

    def blocked(self, origins: Array, directions: Array, reach: Array) -> NDArray[np.bool_]:
        """Tell which rays are stopped by a surface that does not glow (see RayCaster.blocked)."""
        return self._opaque.blocked(origins, directions, reach)
