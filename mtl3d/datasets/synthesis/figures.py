"""People-like figures made of parts, in several poses."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from mtl3d.datasets.synthesis.furniture import shade, tint
from mtl3d.datasets.synthesis.materials import Color, Material
from mtl3d.datasets.synthesis.objects import Item, Solid
from mtl3d.datasets.synthesis.shapes import Mesh, box, capsule, ellipsoid

SKINS: tuple[Color, ...] = (
    (0.95, 0.78, 0.66), (0.87, 0.66, 0.52), (0.72, 0.5, 0.36), (0.5, 0.33, 0.23),
    (0.36, 0.23, 0.16),
)  # fmt: skip
HAIRS: tuple[Color, ...] = (
    (0.1, 0.08, 0.07), (0.3, 0.18, 0.1), (0.6, 0.42, 0.2), (0.45, 0.18, 0.1), (0.6, 0.6, 0.6),
)  # fmt: skip


@dataclass(frozen=True)
class Pose:
    """Directions of the limbs as (forward, outward) angles in degrees.

    A limb of (0, 0) hangs down; forward 90 points to the front, outward 90 to the side, and
    180 up. The first of each pair belongs to the figure's right side, the second to its left.
    """

    upper_arms: tuple[tuple[float, float], tuple[float, float]]
    lower_arms: tuple[tuple[float, float], tuple[float, float]]
    upper_legs: tuple[tuple[float, float], tuple[float, float]]
    lower_legs: tuple[tuple[float, float], tuple[float, float]]


_STRAIGHT = ((0.0, 5.0), (0.0, 5.0))
_STEP_UP, _STEP_DOWN = ((24.0, 3.0), (-20.0, 3.0)), ((2.0, 2.0), (-34.0, 2.0))
_SEAT_UP, _SEAT_DOWN = ((86.0, 9.0), (86.0, 9.0)), ((-3.0, 3.0), (-3.0, 3.0))

STANDING_POSES: Mapping[str, Pose] = {
    'relaxed': Pose(((4, 12), (4, 12)), ((14, 6), (14, 6)), _STRAIGHT, _STRAIGHT),
    'walking': Pose(((-28, 8), (30, 8)), ((0, 6), (62, 4)), _STEP_UP, _STEP_DOWN),
    'arms raised': Pose(((8, 138), (8, 138)), ((8, 166), (8, 166)), _STRAIGHT, _STRAIGHT),
    'waving': Pose(((10, 98), (4, 12)), ((10, 165), (14, 6)), _STRAIGHT, _STRAIGHT),
    'arms akimbo': Pose(((-12, 48), (-12, 48)), ((20, -52), (20, -52)), _STRAIGHT, _STRAIGHT),
    'pointing': Pose(((84, 12), (4, 12)), ((88, 10), (14, 6)), _STRAIGHT, _STRAIGHT),
}
SITTING_POSES: Mapping[str, Pose] = {
    'hands on knees': Pose(((28, 10), (28, 10)), ((64, 2), (64, 2)), _SEAT_UP, _SEAT_DOWN),
    'seated, one arm up': Pose(((20, 125), (28, 10)), ((20, 172), (64, 2)), _SEAT_UP, _SEAT_DOWN),
}


def direction(angles: tuple[float, float], side: int) -> NDArray[np.float64]:
    """Turn (forward, outward) degrees into a unit vector; ``side`` is -1 (its right) or 1."""
    forward, outward = np.deg2rad(angles)
    return np.array(
        [
            side * np.sin(outward),
            -np.sin(forward) * np.cos(outward),
            -np.cos(forward) * np.cos(outward),
        ]
    )


def person(rng: Generator, pose: Pose, hip_height: float | None = None) -> Item:
    """Make a figure that faces -y.

    Args:
        rng: Decides size and clothes.
        pose: One of :data:`STANDING_POSES` or :data:`SITTING_POSES`.
        hip_height: Height of the lowest point of the pelvis in metres. By default the lower foot
            stands on z = 0.

    Returns:
        An item of class 'person' whose solids carry the six human parts.
    """
    size = rng.uniform(0.92, 1.06)
    skin = Material(SKINS[rng.integers(len(SKINS))], gloss=0.05)
    hair = Material(HAIRS[rng.integers(len(HAIRS))], (0.05, 0.04, 0.04), 'fabric', 0.05)
    shirt_color = tint(rng, (0.3, 0.9), (0.4, 0.95))
    shirt_pattern = str(rng.choice(['fabric', 'fabric', 'stripes', 'checker']))
    shirt = Material(shirt_color, shade(shirt_color, 0.7), shirt_pattern, 0.1)
    sleeve = Material(shirt_color, shade(shirt_color, 0.7), 'fabric', 0.1)
    jeans_color = tint(rng, (0.1, 0.7), (0.2, 0.6))
    jeans = Material(jeans_color, shade(jeans_color, 0.75), 'fabric', 0.06)
    shoe = Material(tint(rng, (0, 0.6), (0.1, 0.5)), gloss=0.3)
    eye = Material((0.08, 0.07, 0.07), gloss=0.6)
    forearm = sleeve if rng.uniform() < 0.4 else skin
    shin = jeans if rng.uniform() < 0.8 else skin

    parts: list[tuple[str, Material, Mesh]] = [
        ('torso', jeans, ellipsoid((0.165, 0.115, 0.12), (0, 0, 0.0), 0.25)),
        ('torso', shirt, ellipsoid((0.165, 0.11, 0.2), (0, 0, 0.18), 0.35)),
        ('torso', shirt, ellipsoid((0.2, 0.115, 0.17), (0, 0, 0.36), 0.35)),
        ('head', skin, capsule((0, 0, 0.5), (0, -0.01, 0.6), 0.055, 0.05)),
        ('head', skin, ellipsoid((0.088, 0.1, 0.125), (0, -0.015, 0.7))),
        ('head', skin, ellipsoid((0.016, 0.025, 0.02), (0, -0.115, 0.69), rings=8)),
        ('head', hair, ellipsoid((0.097, 0.105, 0.115), (0, 0.012, 0.735))),
    ]
    for side in (-1, 1):
        parts.append(
            ('head', eye, ellipsoid((0.014, 0.01, 0.012), (side * 0.035, -0.105, 0.715), rings=6))
        )
        index = 0 if side == -1 else 1
        shoulder = np.array([side * 0.2, 0, 0.45])
        elbow = shoulder + 0.28 * direction(pose.upper_arms[index], side)
        reach = direction(pose.lower_arms[index], side)
        wrist = elbow + 0.24 * reach
        hip = np.array([side * 0.09, 0, -0.04])
        knee = hip + 0.42 * direction(pose.upper_legs[index], side)
        ankle = knee + 0.4 * direction(pose.lower_legs[index], side)
        parts += [
            ('upper arm', sleeve, capsule(shoulder, elbow, 0.06, 0.045)),
            ('lower arm', forearm, capsule(elbow, wrist, 0.043, 0.032)),
            ('lower arm', skin, ellipsoid((0.042, 0.042, 0.055), wrist + 0.055 * reach)),
            ('upper leg', jeans, capsule(hip, knee, 0.088, 0.06)),
            ('lower leg', shin, capsule(knee, ankle, 0.058, 0.042)),
            ('lower leg', shoe, ellipsoid((0.048, 0.13, 0.05), ankle + (0, -0.07, -0.045), 0.3)),
            ('lower leg', shoe, box((0.08, 0.2, 0.025), ankle + (0, -0.06, -0.085))),
        ]
    lowest = min(mesh.corners[..., 2].min() for _, _, mesh in parts)
    height = -lowest if hip_height is None else hip_height / size + 0.12
    solids = [
        Solid(Mesh((mesh.corners + (0, 0, height)) * size, mesh.normals), material, 'person', part)
        for part, material, mesh in parts
    ]
    return Item(solids)
