"""Tiny copies of the public archives' layouts, made of random labels."""

from pathlib import Path

import numpy as np
from PIL import Image
from scipy.io import savemat

SIZE = (30, 40)


def save_picture(path, array, palette=False):
    """Write an 8-bit picture; with ``palette`` as colour indices, like the VOC masks."""
    path.parent.mkdir(parents=True, exist_ok=True)
    image = Image.fromarray(array)
    if palette:
        image = image.convert('P')
        image.putpalette(list(range(256)) * 3)
        image.putdata(array.flatten().tolist())
    image.save(path)


def save_array(path, array):
    path.parent.mkdir(parents=True, exist_ok=True)
    np.save(path, array)


def unit_vectors(rng, size):
    normals = rng.standard_normal((*size, 3))
    return normals / np.linalg.norm(normals, axis=-1, keepdims=True)


def make_nyud(root, pictures=True, train=('0001', '0003', '0004'), val=('0002',), size=SIZE):
    """Write the layout of ``NYUDv2`` (pictures) or of ``NYUD_MT`` (arrays).

    Returns:
        id -> the decoded arrays.
    """
    root = Path(root)
    written = {}
    for split, ids in dict(train=train, val=val).items():
        (root / 'gt_sets').mkdir(parents=True, exist_ok=True)
        (root / 'gt_sets' / f'{split}.txt').write_text('\n'.join(ids) + '\n')
        for img_id in ids:
            rng = np.random.default_rng(int(img_id))
            image = rng.integers(0, 256, (*size, 3), dtype=np.uint8)
            stored = rng.integers(0, 41, size, dtype=np.uint8)
            depth = rng.random(size).astype(np.float32) * 9
            depth[:2] = 0
            edge = rng.random(size) < 0.1
            save_picture(root / f'segmentation/{img_id}.png', stored)
            save_array(root / f'depth/{img_id}.npy', depth)
            if pictures:
                coded = rng.integers(0, 256, (*size, 3), dtype=np.uint8)
                normals = 2 * coded.astype(np.float32) / 255 - 1
                save_picture(root / f'images/{img_id}.png', image)
                save_picture(root / f'normals/{img_id}.png', coded)
                save_picture(root / f'edge/{img_id}.png', edge.astype(np.uint8) * 255)
            else:
                normals = unit_vectors(rng, size).astype(np.float32)
                normals[:2] = 0
                save_picture(root / f'images/{img_id}.jpg', image)
                save_array(root / f'normals/{img_id}.npy', normals)
                save_array(root / f'edge/{img_id}.npy', edge.astype(np.float32))
            written[img_id] = dict(
                img=image,
                semseg=np.where(stored == 0, 255, stored.astype(int) - 1),
                depth=depth,
                normals=normals,
                edge=edge.astype(np.float32),
            )
    return written


def make_pascal(root, train=('2008_000001', '2008_000002'), val=('2008_000003',), size=SIZE):
    """Write the layout of ``PASCALContext``; the second training image has no person.

    Returns:
        id -> the stored arrays.
    """
    root = Path(root)
    written = {}
    for split, ids in dict(train=train, val=val).items():
        folder = root / 'ImageSets' / 'Context'
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f'{split}.txt').write_text('\n'.join(ids) + '\n')
        for img_id in ids:
            rng = np.random.default_rng(int(img_id[-4:]))
            label_map = np.kron(rng.integers(1, 460, (3, 4)), np.ones((10, 10), int))
            label_map = label_map.astype(np.uint16)
            label_map[:10, :10] = 440  # a wall has normals
            label_map[:10, 10:20] = 360  # the sky has none
            coded = rng.integers(0, 256, (*size, 3), dtype=np.uint8)
            saliency = rng.integers(0, 256, size, dtype=np.uint8)
            semseg = rng.integers(0, 21, size, dtype=np.uint8)
            semseg[0, 0] = 255
            save_picture(root / f'JPEGImages/{img_id}.jpg', coded)
            folder = 'pascal-context' if img_id == train[0] else 'VOC12'
            save_picture(root / f'semseg/{folder}/{img_id}.png', semseg, palette=True)
            save_picture(root / f'normals_distill/{img_id}.png', coded)
            save_picture(root / f'sal_distill/{img_id}.png', saliency)
            for name in ('pascal-context/trainval', 'human_parts'):
                (root / name).mkdir(parents=True, exist_ok=True)
            savemat(root / f'pascal-context/trainval/{img_id}.mat', dict(LabelMap=label_map))
            objects = pascal_objects(person=img_id != train[1], size=size)
            savemat(
                root / f'human_parts/{img_id}.mat',
                dict(anno=dict(imname=img_id, objects=objects)),
                do_compression=True,
            )
            written[img_id] = dict(
                semseg=semseg, saliency=saliency, normals=coded, label_map=label_map
            )
    return written


def pascal_objects(person, size):
    """A chair, and a person whose head is covered by an eye and touches an arm."""

    def mask(top, bottom):
        rows = np.arange(size[0])
        inside = (rows >= top) & (rows < bottom)
        return np.repeat(inside[:, None], size[1], axis=1).astype(np.uint8)

    chair = {'class': 'chair', 'class_ind': 9, 'mask': mask(20, 30), 'parts': []}
    if not person:
        return [chair]
    parts = [
        dict(part_name='head', mask=mask(0, 6)),
        dict(part_name='luarm', mask=mask(4, 10)),
        dict(part_name='leye', mask=mask(9, 10)),
        dict(part_name='rfoot', mask=mask(25, 30)),
    ]
    return [
        {'class': 'person', 'class_ind': 15, 'mask': mask(0, 30), 'parts': parts},
        chair,
    ]
