"""Images and labels of all views of a room."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mtl3d.datasets.synthesis.camera import Camera
from mtl3d.datasets.synthesis.geometry import Geometry
from mtl3d.datasets.synthesis.labels import boundaries, saliency
from mtl3d.datasets.synthesis.scene import Scene
from mtl3d.datasets.synthesis.shading import radiance

Array = NDArray[np.float64]


@dataclass(frozen=True)
class View:
    """One image with all its labels.

    Attributes:
        camera: Where it was taken.
        image: ``(H, W, 3)`` uint8 RGB.
        semseg: ``(H, W)`` uint8, ids of ``classes.SEMANTIC_CLASSES``.
        human_parts: ``(H, W)`` uint8, ids of ``classes.HUMAN_PARTS``.
        depth: ``(H, W)`` float64, metres along the optical axis.
        normals: ``(H, W, 3)`` float64, unit vectors in the camera frame, towards the camera.
        edge: ``(H, W)`` bool, see ``labels.boundaries``.
        saliency: ``(H, W)`` bool, see ``labels.saliency``.
    """

    camera: Camera
    image: NDArray[np.uint8]
    semseg: NDArray[np.uint8]
    human_parts: NDArray[np.uint8]
    depth: Array
    normals: Array
    edge: NDArray[np.bool_]
    saliency: NDArray[np.bool_]


def render_room(scene: Scene, *, samples: int = 2) -> list[View]:
    """Render all views of a room.

    All labels come from the ray through the middle of each pixel, so they hold no blends; only the
    colours are averaged over sub-pixels.

    Args:
        scene: The room.
        samples: Sub-pixels per side over which the colour is averaged.

    Returns:
        One view per camera, all developed with the same exposure.
    """
    geometry = Geometry(scene)
    raw = [_expose(geometry, scene, camera, samples) for camera in scene.cameras]
    images = develop(np.stack(raw))
    return [
        _label(geometry, camera, image) for camera, image in zip(scene.cameras, images, strict=True)
    ]


def _expose(geometry: Geometry, scene: Scene, camera: Camera, samples: int) -> Array:
    """Compute the linear colours of one view, ``(H, W, 3)``."""
    height, width = camera.size
    shift = dither(height, width)
    total = np.zeros((height * width, 3))
    for k in range(samples**2):
        offset = ((k % samples + 0.5) / samples - 0.5, (k // samples + 0.5) / samples - 0.5)
        origin, directions = camera.rays(offset)
        surface = geometry.look(origin, directions)
        total += radiance(geometry, surface, directions, scene.lights, k, shift)
    return (total / samples**2).reshape(height, width, 3)


def dither(height: int, width: int) -> Array:
    """Make two numbers per pixel that differ as much as possible among neighbours.

    Source: J. Jimenez, "Next generation post processing in Call of Duty: Advanced Warfare",
    SIGGRAPH courses 2014 (interleaved gradient noise).

    Returns:
        ``(height * width, 2)`` in [0, 1).
    """
    y, x = np.mgrid[:height, :width].reshape(2, -1)
    pairs = [(0.06711056 * (x + s) + 0.00583715 * (y + t)) % 1 for s, t in ((0, 0), (47, 17))]
    return np.stack([52.9829189 * p % 1 for p in pairs], axis=1)


def develop(light: Array) -> NDArray[np.uint8]:
    """Turn linear light into display values: auto exposure, a soft shoulder, gamma.

    Args:
        light: ``(..., 3)``, linear RGB of all views of a room.

    Returns:
        ``(..., 3)`` uint8 sRGB; the median luminance becomes a middle grey.
    """
    luminance = light @ (0.2126, 0.7152, 0.0722)
    gain = -np.log(1 - 0.24) / max(float(np.median(luminance)), 1e-6)
    display = (1 - np.exp(-gain * light)) ** (1 / 2.2)
    return np.round(255 * display).astype(np.uint8)


def _label(geometry: Geometry, camera: Camera, image: NDArray[np.uint8]) -> View:
    origin, directions = camera.rays()
    surface = geometry.look(origin, directions)
    size, rotation = camera.size, camera.camera_to_world[:3, :3]
    depth = surface.depth.reshape(size)
    point = ((surface.point - origin) @ rotation).reshape(*size, 3)
    normals = (surface.normal @ rotation).reshape(*size, 3)
    instance = geometry.instance[surface.solid].reshape(size)
    semantic = geometry.semantic[surface.solid].reshape(size)
    flat = surface.flat.reshape(size)
    return View(
        camera,
        image,
        semantic.astype(np.uint8),
        geometry.part[surface.solid].reshape(size).astype(np.uint8),
        depth,
        normals,
        boundaries(point, normals, instance, semantic, flat),
        saliency(depth, instance, semantic),
    )
