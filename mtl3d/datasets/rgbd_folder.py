"""From any folder of RGB-D frames to the layout of NYUv2: for trying things on real pictures."""

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from mtl3d.datasets.label_readers import read_gray
from mtl3d.datasets.transforms.functional import crop_intrinsics, resize_intrinsics, resize_label
from mtl3d.geometry.depth_maps import normals_from_depth
from mtl3d.utils.image_io import read_picture


def find_frames(source: Path) -> list[tuple[str, Path, Path]]:
    """List the frames ``(id, color, depth)`` of a folder with ``color/`` and ``depth/``.

    Frames are in the order of their ids, numbers as numbers.

    Raises:
        FileNotFoundError: A folder is missing or empty, or a colour frame has no depth frame.
    """
    folders = []
    for name in ('color', 'depth'):
        files = [f for f in (source / name).glob('*') if f.is_file() and f.suffix != '.txt']
        if not files:
            raise FileNotFoundError(
                f"'{source / name}' has no frames. Expected are color/<id>.png (or .jpg) and "
                'depth/<id>.png (or .pgm) in the source folder.'
            )
        folders.append({file.stem: file for file in files})
    color, depth = folders
    missing = sorted(set(color) - set(depth))
    if missing:
        raise FileNotFoundError(
            f"{color[missing[0]]} has no depth frame '{source / 'depth' / missing[0]}.*'. Both "
            'folders must use the same ids.'
        )
    order = sorted(color, key=lambda name: (not name.isdigit(), name.rjust(20, '0'), name))
    return [(name, color[name], depth[name]) for name in order]


def cover(
    image: NDArray, depth: NDArray, intrinsics: NDArray, size: Sequence[int]
) -> tuple[NDArray, NDArray, NDArray]:
    """Resize a frame until it covers ``size`` (H, W), and cut out the centre.

    Args:
        image: ``(h, w, 3)``.
        depth: ``(h, w)`` metres; the nearest pixels are taken, values stay.
        intrinsics: ``(3, 3)``.
        size: (H, W).

    Returns:
        Image, depth and intrinsics of the window.
    """
    height, width = depth.shape
    factor = max(size[0] / height, size[1] / width)
    full = (max(round(height * factor), size[0]), max(round(width * factor), size[1]))
    # INTER_AREA does not alias when it shrinks.
    mode = cv2.INTER_AREA if factor < 1 else cv2.INTER_LINEAR
    image = cv2.resize(image, (full[1], full[0]), interpolation=mode)
    depth = resize_label(depth, full)
    intrinsics = resize_intrinsics(intrinsics, (full[1] / width, full[0] / height))
    top, left = (full[0] - size[0]) // 2, (full[1] - size[1]) // 2
    window = (slice(top, top + size[0]), slice(left, left + size[1]))
    return image[window], depth[window], crop_intrinsics(intrinsics, left, top)


def convert_rgbd_folder(
    source: Path,
    out: Path,
    *,
    intrinsics: NDArray,
    units_per_metre: float = 1000.0,
    size: Sequence[int] = (425, 560),
    val_frames: int = 1,
    normals_radius: int = 4,
) -> dict[str, list[str]]:
    """Write the frames of a folder as an NYUv2 archive with depth and normals.

    ``images/*.png``, ``depth/*.npy`` in metres, ``normals/*.npy`` computed from the depth with the
    axes of NYUv2 (x right, y up, z towards the viewer), ``gt_sets/``, and ``intrinsics.txt`` of the
    written images. The folders ``segmentation`` and ``edge`` stay empty, which means "not
    annotated".

    Args:
        source: Folder with ``color/`` and 16-bit ``depth/``.
        out: The archive to write.
        intrinsics: ``(3, 3)`` camera matrix of the source frames.
        units_per_metre: Depth values per metre; 0 is no measurement.
        size: (H, W) of the written images.
        val_frames: How many of the last frames go to the validation list.
        normals_radius: See :func:`~mtl3d.geometry.depth_maps.normals_from_depth`.

    Returns:
        Split -> ids.

    Raises:
        FileNotFoundError: See :func:`find_frames`.
        ValueError: ``val_frames`` leaves nothing to train on, or a colour and a depth frame differ
            in size.
    """
    frames = find_frames(source)
    if not 0 < val_frames < len(frames):
        raise ValueError(f'val_frames={val_frames} of {len(frames)} frames leaves a split empty')
    for name in ('images', 'depth', 'normals', 'segmentation', 'edge', 'gt_sets'):
        (out / name).mkdir(parents=True, exist_ok=True)
    for name, color_path, depth_path in frames:
        image, stored = read_picture(color_path, upright=False), read_gray(depth_path)
        if image.shape[:2] != stored.shape:
            raise ValueError(
                f'{depth_path} is {stored.shape} but {color_path} is {image.shape[:2]}: depth must '
                'be registered to the colour frame'
            )
        depth = stored.astype(np.float32) / np.float32(units_per_metre)
        image, depth, matrix = cover(image, depth, intrinsics, size)
        Image.fromarray(image).save(out / 'images' / f'{name}.png')
        np.save(out / 'depth' / f'{name}.npy', depth)
        normals = normals_from_depth(depth, matrix, radius=normals_radius)
        np.save(out / 'normals' / f'{name}.npy', normals)
        np.savetxt(out / 'intrinsics.txt', matrix)
    names = [name for name, _, _ in frames]
    splits = dict(train=names[:-val_frames], val=names[-val_frames:])
    for split, ids in splits.items():
        (out / 'gt_sets' / f'{split}.txt').write_text('\n'.join(ids) + '\n')
    return splits
