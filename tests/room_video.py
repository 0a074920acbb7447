"""A short video of a rendered room in the layout of the public copy of NYUv2's videos."""

from functools import cache

import numpy as np
from PIL import Image

from mtl3d.datasets.synthesis.render import render_room
from mtl3d.datasets.synthesis.scene import random_room


@cache
def room_views(count=5, size=(192, 256), arc_degrees=4, seed=0):
    """Views of one room, neighbours some degrees apart."""
    rng = np.random.default_rng([seed, 0])
    scene = random_room(rng, size=size, num_views=count, arc_degrees=arc_degrees)
    return tuple(render_room(scene, samples=1))


def write_video(root, views, scene='room_0000_out', first=1, step=1):
    """Write ``nyu2_train/<scene>/<n>.jpg`` and 16-bit ``<n>.png``; returns the numbers."""
    folder = root / 'nyu2_train' / scene
    folder.mkdir(parents=True)
    numbers = [first + step * index for index in range(len(views))]
    for number, view in zip(numbers, views, strict=True):
        Image.fromarray(view.image).save(folder / f'{number}.jpg', quality=95)
        millimetres = np.round(view.depth * 1000).astype(np.uint16)
        Image.fromarray(millimetres).save(folder / f'{number}.png')
    return numbers


def motion_error(true, found):
    """Angle in degrees between two motions, and the relative error of the translation."""
    cosine = (np.trace(true[:3, :3].T @ found[:3, :3]) - 1) / 2
    shift = np.linalg.norm(true[:3, 3] - found[:3, 3]) / np.linalg.norm(true[:3, 3])
    return np.degrees(np.arccos(np.clip(cosine, -1, 1))), shift
