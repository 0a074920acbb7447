"""Generator of the SynthRooms data set: furnished, lit rooms with people, ray cast with all labels.

The modules depend on each other in this order: ``classes``, ``shapes`` (triangles), ``materials``
(colour from a surface point), ``furniture`` and ``figures`` (objects made of shapes), ``scene``
(a random room), ``camera``, ``raycaster`` (rays against triangles), ``shading`` (light), ``labels``
(boundaries, saliency), ``render`` (all of one view), ``encoding`` and ``writer`` (files on disk).
Ray casting needs embreex (``requirements/demo.txt``), imported when the first ray is cast.
"""

from mtl3d.datasets.synthesis.classes import HUMAN_PARTS, SEMANTIC_CLASSES
from mtl3d.datasets.synthesis.render import render_room
from mtl3d.datasets.synthesis.scene import random_room
from mtl3d.datasets.synthesis.writer import SynthRoomsSpec, write_synth_rooms

__all__ = [
    'HUMAN_PARTS',
    'SEMANTIC_CLASSES',
    'SynthRoomsSpec',
    'random_room',
    'render_room',
    'write_synth_rooms',
]
