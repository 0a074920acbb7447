"""What a room is filled with: solids, and objects made of solids."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from mtl3d.datasets.synthesis.materials import Material
from mtl3d.datasets.synthesis.shapes import Mesh

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Solid:
    """One mesh of one material and one class.

    Attributes:
        mesh: The triangles, in the frame of the object.
        material: How it looks.
        semantic: One of ``classes.SEMANTIC_CLASSES``.
        part: One of ``classes.HUMAN_PARTS``.
    """

    mesh: Mesh
    material: Material
    semantic: str
    part: str = 'background'


@dataclass(frozen=True)
class Item:
    """One object: the unit of boundaries and saliency.

    Attributes:
        solids: Its parts, in the frame of the object: the floor point in the middle is the origin,
            z points up, and the front faces -y.
        position: Where the origin lies in the room, in metres.
        yaw: Rotation about the vertical axis, in radians.
        seats: Points to sit on, in the frame of the object; a person there faces -y too.
        top: Height of a surface that small things can stand on, None without one.
        blocks: Whether nothing else may stand in the same place.
    """

    solids: Sequence[Solid]
    position: tuple[float, float, float] = (0.0, 0.0, 0.0)
    yaw: float = 0.0
    seats: Sequence[tuple[float, float, float]] = field(default=())
    top: float | None = None
    blocks: bool = True

    @property
    def rotation(self) -> Array:
        """``(3, 3)``, from the frame of the object to the room's."""
        c, s = np.cos(self.yaw), np.sin(self.yaw)
        return np.array([[c, -s, 0.0], [s, c, 0.0], [0.0, 0.0, 1.0]])

    def to_room(self, point: Sequence[float] | Array) -> Array:
        """Take points ``(..., 3)`` from the frame of the object to the room's."""
        return np.asarray(point, dtype=np.float64) @ self.rotation.T + np.asarray(self.position)

    def bounds(self) -> Array:
        """Compute the lowest and the highest coordinates in the room, ``(2, 3)`` in metres."""
        corners = self.to_room(np.concatenate([s.mesh.corners.reshape(-1, 3) for s in self.solids]))
        return np.stack([corners.min(axis=0), corners.max(axis=0)])
