"""From labels and predictions to colours: pure functions on arrays, no registry."""

from collections.abc import Sequence

import cv2
import numpy as np

from mtl3d.datasets.palette import voc_palette
from mtl3d.structures.label_spec import IGNORE_INDEX, LabelSpec

Palette = np.ndarray | Sequence[Sequence[int]]

#: Colours of a pixel without a label: two dark greys in diagonal stripes.
HATCH = ((58, 58, 62), (82, 82, 88))


def class_colors(palette: Palette | None = None) -> np.ndarray:
    """Complete a palette to all class ids of 8 bits.

    Args:
        palette: RGB triples in 0..255 of the first ids; the PASCAL-VOC palette fills the rest.

    Returns:
        ``(256, 3)`` uint8 RGB.
    """
    colors = np.array(voc_palette(256), dtype=np.uint8)
    if palette is not None:
        colors[: len(palette)] = palette
    return colors


def hatch(height: int, width: int) -> np.ndarray:
    """Draw the pattern that means "no label here": ``(height, width, 3)`` uint8."""
    period = max(4, round(min(height, width) / 24))
    rows, columns = np.indices((height, width))
    stripe = (rows + columns) // period % 2
    return np.array(HATCH, dtype=np.uint8)[stripe]


def color_classes(label: np.ndarray, palette: Palette | None = None) -> np.ndarray:
    """Colour class ids.

    Args:
        label: ``(H, W)`` integers in 0..255; 255 is hatched.
        palette: See :func:`class_colors`.

    Returns:
        ``(H, W, 3)`` uint8 RGB.
    """
    return _mark_invalid(class_colors(palette)[label], label != IGNORE_INDEX)


def depth_range(*depths: np.ndarray) -> tuple[float, float]:
    """Choose the range of a depth colour bar, robust against a few outliers.

    Args:
        depths: ``(H, W)`` metres, 0 = no measurement; several share one range.

    Returns:
        The 1st and the 99th percentile of all valid pixels, at least 1 mm apart; (0, 1) without
        any.
    """
    valid = np.concatenate([depth[_is_depth(depth)] for depth in depths] or [np.empty(0)])
    if valid.size == 0:
        return 0.0, 1.0
    near, far = np.percentile(valid, (1, 99))
    return float(near), float(max(far, near + 1e-3))


def color_depth(depth: np.ndarray, limits: tuple[float, float]) -> np.ndarray:
    """Colour depth by a perceptually uniform map (magma): near is bright, far is dark.

    Args:
        depth: ``(H, W)`` metres; 0 and non-finite values are hatched.
        limits: Nearest and farthest depth of the colour bar, see :func:`depth_range`. Values
            outside take the end colours.

    Returns:
        ``(H, W, 3)`` uint8 RGB.
    """
    near, far = limits
    valid = _is_depth(depth)
    nearness = np.clip((far - np.where(valid, depth, far)) / (far - near), 0, 1)
    return _mark_invalid(_apply_map(nearness, cv2.COLORMAP_MAGMA), valid)


def color_normals(normals: np.ndarray) -> np.ndarray:
    """Colour unit vectors as ``(n + 1) / 2``: red = x, green = y, blue = z.

    With x to the right, y up and z towards the viewer, as in the stored NYUv2 and PASCAL-Context
    labels, a surface that faces the camera is light blue, a floor green and a right-facing wall
    red.

    Args:
        normals: ``(3, H, W)``; the zero vector and NaN are hatched, any other length is normalised.

    Returns:
        ``(H, W, 3)`` uint8 RGB.
    """
    normals = np.nan_to_num(normals)
    length = np.linalg.norm(normals, axis=0, keepdims=True)
    unit = normals / np.maximum(length, 1e-12)
    colors = np.rint((unit + 1) * 127.5).astype(np.uint8).transpose(1, 2, 0)
    return _mark_invalid(colors, length[0] > 0)


def color_binary(values: np.ndarray, *, dark_on_light: bool = False) -> np.ndarray:
    """Colour probabilities in grey.

    Args:
        values: ``(H, W)`` in [0, 1]; 255 = ignore is hatched.
        dark_on_light: Draw 1 black on white, as for boundaries; otherwise white on black.

    Returns:
        ``(H, W, 3)`` uint8 RGB.
    """
    grey = np.clip(np.nan_to_num(values), 0, 1)
    if dark_on_light:
        grey = 1 - grey
    colors = np.repeat(np.rint(grey * 255).astype(np.uint8)[..., None], 3, axis=-1)
    return _mark_invalid(colors, values != IGNORE_INDEX)


def color_overlay(values: np.ndarray, image: np.ndarray) -> np.ndarray:
    """Light up what is salient in an otherwise dimmed grey image.

    Args:
        values: ``(H, W)`` in [0, 1]; 255 = ignore is hatched.
        image: ``(H, W, 3)`` uint8 RGB of the same size.

    Returns:
        ``(H, W, 3)`` uint8 RGB.
    """
    weight = np.clip(np.nan_to_num(values), 0, 1)[..., None]
    grey = image.mean(axis=-1, keepdims=True) * 0.3
    mixed = weight * image + (1 - weight) * grey
    return _mark_invalid(np.rint(mixed).astype(np.uint8), values != IGNORE_INDEX)


def colorize(
    task: str,
    field: np.ndarray,
    spec: LabelSpec,
    *,
    limits: tuple[float, float] | None = None,
    image: np.ndarray | None = None,
    palette: Palette | None = None,
) -> np.ndarray:
    """Colour the label or the prediction of any task.

    Args:
        task: Its key; boundaries are drawn dark on light and saliency over the image. Every other
            task is drawn by its ``spec`` alone, so tasks of a project need nothing here.
        field: ``(c, H, W)`` in the label's layout.
        spec: The task's row of :data:`mtl3d.structures.LABEL_SPECS`.
        limits: Range of the colour bar of a scalar quantity; by default the field's own.
        image: ``(H, W, 3)`` uint8 RGB below saliency; without it saliency is grey.
        palette: Colours of the classes, see :func:`class_colors`.

    Returns:
        ``(H, W, 3)`` uint8 RGB.
    """
    if spec.kind == 'class':
        return color_classes(field[0], palette)
    if spec.is_direction:
        return color_normals(field)
    if spec.kind == 'binary':
        if task == 'saliency' and image is not None:
            return color_overlay(field[0], image)
        return color_binary(field[0], dark_on_light=task == 'edge')
    if len(field) == 3:
        return _mark_invalid(
            np.rint(np.clip(field, 0, 1) * 255).astype(np.uint8).transpose(1, 2, 0),
            (field != 0).any(axis=0),
        )
    return color_depth(field[0], limits or depth_range(field[0]))


def _is_depth(depth: np.ndarray) -> np.ndarray:
    return np.isfinite(depth) & (depth > 0)


def _apply_map(values: np.ndarray, colormap: int) -> np.ndarray:
    """Map ``(H, W)`` values in [0, 1] through one of OpenCV's colour maps, as RGB."""
    mapped = cv2.applyColorMap(np.rint(values * 255).astype(np.uint8), colormap)
    return cv2.cvtColor(mapped, cv2.COLOR_BGR2RGB)


def _mark_invalid(colors: np.ndarray, valid: np.ndarray) -> np.ndarray:
    if valid.all():
        return colors
    return np.where(valid[..., None], colors, hatch(*valid.shape))
