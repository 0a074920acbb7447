"""SynthRooms: the labels agree with each other and with the light, and the files with the seed."""

import errno
import hashlib
import json
import multiprocessing
import os
import signal
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip('embreex')

from mtl3d.datasets.synthesis import SynthRoomsSpec, random_room, render_room, writer
from mtl3d.datasets.synthesis.classes import HUMAN_PARTS, SEMANTIC_CLASSES
from mtl3d.datasets.synthesis.encoding import (
    decode_depth,
    decode_normals,
    encode_depth,
    encode_normals,
)
from mtl3d.datasets.synthesis.geometry import Geometry
from mtl3d.datasets.synthesis.labels import boundaries, saliency
from mtl3d.datasets.synthesis.shading import direct_light
from mtl3d.datasets.synthesis.writer import write_synth_rooms
from mtl3d.registry import DATASETS

SIZE = (48, 64)
SPEC = SynthRoomsSpec(train_rooms=2, val_rooms=1, views=2, height=48, width=64, samples=1)


def make(root, spec=SPEC, **kwargs):
    return list(write_synth_rooms(root, spec, **kwargs))


def digests(root):
    return {
        str(path.relative_to(root)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(root.rglob('*'))
        if path.is_file()
    }


@pytest.fixture(scope='module')
def rooms():
    """Six scenes with their rendered views."""
    scenes = [random_room(np.random.default_rng([7, i]), size=SIZE, num_views=2) for i in range(6)]
    return [(scene, render_room(scene, samples=1)) for scene in scenes]


@pytest.fixture(scope='module')
def root(tmp_path_factory):
    folder = tmp_path_factory.mktemp('synthrooms')
    make(folder)
    return folder


def camera_points(view):
    v, u = np.mgrid[: SIZE[0], : SIZE[1]]
    pixels = np.stack([u, v, np.ones_like(u)], axis=-1).astype(float)
    return (pixels @ np.linalg.inv(view.camera.intrinsics).T) * view.depth[..., None]


def test_depth_agrees_with_the_normals(rooms):
    """On flat surfaces the cross product of the neighbours' differences is the normal."""
    compared = 0
    for _, views in rooms:
        view = views[0]
        points, n = camera_points(view), view.normals
        inner = (slice(1, -1), slice(1, -1))
        flat = np.ones((SIZE[0] - 2, SIZE[1] - 2), dtype=bool)
        for dy, dx in ((0, 1), (2, 1), (1, 0), (1, 2)):
            shifted = (slice(dy, SIZE[0] - 2 + dy), slice(dx, SIZE[1] - 2 + dx))
            flat &= (n[shifted] * n[inner]).sum(-1) > 1 - 1e-9
            flat &= np.abs(((points[shifted] - points[inner]) * n[inner]).sum(-1)) < 2e-5
        across = points[1:-1, 2:] - points[1:-1, :-2]
        down = points[2:, 1:-1] - points[:-2, 1:-1]
        computed = np.cross(down, across)
        computed /= np.linalg.norm(computed, axis=-1, keepdims=True)
        cosine = (computed * n[inner]).sum(-1)[flat]
        assert cosine.min() > np.cos(np.deg2rad(0.2))
        compared += flat.sum()
    assert compared > 0.4 * 6 * SIZE[0] * SIZE[1]


def test_normals_are_unit_vectors_towards_the_camera(rooms):
    for _, views in rooms:
        for view in views:
            np.testing.assert_allclose(np.linalg.norm(view.normals, axis=-1), 1, atol=1e-9)
            assert (view.normals * camera_points(view)).sum(-1).max() < 0


def test_smooth_normals_stay_close_to_the_triangles(rooms):
    """A ball's normals are those of the sphere: they point away from its centre."""
    ball = SEMANTIC_CLASSES.index('ball')
    seen = 0
    for scene, views in rooms:
        for view in views:
            here = view.semseg == ball
            pose = view.camera.camera_to_world
            world = camera_points(view)[here] @ pose[:3, :3].T + pose[:3, 3]
            normals = view.normals[here] @ pose[:3, :3].T
            for item in scene.items:
                if item.solids[0].semantic != 'ball':
                    continue
                low, high = item.bounds()
                offset = world - (low + high) / 2
                radius = (high[2] - low[2]) / 2
                mine = np.linalg.norm(offset, axis=1) < radius * 1.01
                if mine.any():
                    cosine = (offset[mine] / radius * normals[mine]).sum(1)
                    assert np.median(cosine) > 0.98
                    seen += mine.sum()
    assert seen > 20


def test_views_agree_where_both_see(rooms):
    """Depth carried by the poses into the other view meets its depth, but for occlusions."""
    for _, (first, second) in rooms:
        points = camera_points(first).reshape(-1, 3)
        to_second = np.linalg.inv(second.camera.camera_to_world) @ first.camera.camera_to_world
        moved = points @ to_second[:3, :3].T + to_second[:3, 3]
        projected = moved @ second.camera.intrinsics.T
        u, v = np.round(projected[:, :2] / projected[:, 2:]).astype(int).T
        inside = (moved[:, 2] > 0) & (u >= 0) & (u < SIZE[1]) & (v >= 0) & (v < SIZE[0])
        assert inside.mean() > 0.7  # the fields of view overlap
        # To the tangent plane of what the pixel sees, so that rounding to pixels costs nothing.
        seen = camera_points(second)[v[inside], u[inside]]
        normal = second.normals[v[inside], u[inside]]
        residual = np.abs(((moved[inside] - seen) * normal).sum(1))
        assert np.median(residual) < 1e-4
        assert (residual < 0.02).mean() > 0.8


def test_poses_are_rigid(rooms):
    for scene, _ in rooms:
        for camera in scene.cameras:
            rotation = camera.camera_to_world[:3, :3]
            np.testing.assert_allclose(rotation @ rotation.T, np.eye(3), atol=1e-12)
            assert np.linalg.det(rotation) == pytest.approx(1)


def test_every_task_has_something_to_learn(rooms):
    views = [view for _, views in rooms for view in views]
    semseg = np.stack([view.semseg for view in views])
    parts = np.stack([view.human_parts for view in views])
    assert semseg.max() < len(SEMANTIC_CLASSES) and len(np.unique(semseg)) >= 12
    assert set(np.unique(parts)) == set(range(len(HUMAN_PARTS)))
    person = SEMANTIC_CLASSES.index('person')
    np.testing.assert_array_equal(semseg == person, parts > 0)
    depth = np.stack([view.depth for view in views])
    assert 0.2 < depth.min() and depth.max() < 9 and depth.std() > 0.5
    assert 0.03 < np.mean([view.edge for view in views]) < 0.3
    assert 0.01 < np.mean([view.saliency for view in views]) < 0.5
    images = np.stack([view.image for view in views]).astype(float)
    assert images.std() > 30 and 60 < images.mean() < 190


def test_shadows_darken():
    """The same floor under the same lamp, with and without the furniture in between."""
    scene = random_room(np.random.default_rng([7, 0]), size=SIZE, num_views=1)
    empty = replace(scene, items=scene.items[:6])
    camera = scene.cameras[0]
    full_geometry, empty_geometry = Geometry(scene), Geometry(empty)
    origin, rays = camera.rays()
    floor = SEMANTIC_CLASSES.index('floor')
    full, bare = full_geometry.look(origin, rays), empty_geometry.look(origin, rays)
    both = (full_geometry.semantic[full.solid] == floor) & (
        empty_geometry.semantic[bare.solid] == floor
    )
    view, middle = -rays / np.linalg.norm(rays, axis=1, keepdims=True), np.full((len(rays), 2), 0.5)
    for light in scene.lights:
        shadowed, _ = direct_light(full_geometry, full, view, light, middle)
        lit, _ = direct_light(empty_geometry, bare, view, light, middle)
        assert (shadowed[both] <= lit[both] + 1e-6).all()
    ceiling_lamp = next(light for light in scene.lights if light.facing is None)
    shadowed, _ = direct_light(full_geometry, full, view, ceiling_lamp, middle)
    lit, _ = direct_light(empty_geometry, bare, view, ceiling_lamp, middle)
    dark = both & (lit[:, 0] > 0) & (shadowed[:, 0] == 0)
    assert 0.01 < dark.sum() / both.sum() < 0.9


def test_boundaries_mark_the_nearer_pixel_steps_and_creases():
    v, u = np.mgrid[:6, :8].astype(float)
    points = np.stack([u * 0.02, v * 0.02, np.full_like(u, 2.0)], axis=-1)
    normals = np.broadcast_to((0.0, 0.0, -1.0), points.shape).copy()
    zeros, flat = np.zeros((6, 8), dtype=int), np.ones((6, 8), dtype=bool)
    assert not boundaries(points, normals, zeros, zeros, flat).any()

    other = zeros.copy()
    other[:, 4:] = 1
    marked = boundaries(points, normals, other, zeros, flat)
    np.testing.assert_array_equal(marked, (u == 3))

    step = points.copy()
    step[:, 4:, 2] = 1.9
    np.testing.assert_array_equal(boundaries(step, normals, zeros, zeros, flat), (u == 4))
    step[:, 4:, 2] = 1.96  # below 3 cm + 1 %
    assert not boundaries(step, normals, zeros, zeros, flat).any()

    crease = normals.copy()
    crease[:, 4:] = (-1.0, 0.0, 0.0)
    assert boundaries(points, crease, zeros, zeros, flat).any()
    assert not boundaries(points, crease, zeros, zeros, ~flat).any()


def test_saliency_needs_a_near_and_large_movable_thing():
    semantic = np.zeros((20, 20), dtype=int)
    semantic[5:10, 5:10] = SEMANTIC_CLASSES.index('ball')
    instance, near = semantic.copy(), np.full((20, 20), 2.0)
    np.testing.assert_array_equal(saliency(near, instance, semantic), semantic > 0)
    assert not saliency(near + 2.1, instance, semantic).any()
    assert not saliency(near, instance, np.where(semantic > 0, 8, 0)).any()  # a table
    semantic[5:10, 5:10], semantic[5, 5] = 0, SEMANTIC_CLASSES.index('person')
    assert not saliency(near, semantic, semantic).any()  # one pixel of 400 is below 0.3 %


def test_encodings_keep_their_promise():
    depth = np.linspace(0.3, 13, 1000)[None]
    assert np.abs(decode_depth(encode_depth(depth)) - depth).max() < 1.01e-4
    normals = np.random.default_rng(0).normal(size=(20, 20, 3))
    normals /= np.linalg.norm(normals, axis=-1, keepdims=True)
    normals[0, 0], normals[0, 1] = 0, (0, 0, -1)
    decoded = decode_normals(encode_normals(normals))
    assert np.abs(decoded - normals).max() < 2e-5
    assert (decoded[0, 0] == 0).all() and decoded[0, 1, 2] == -1


def test_bytes_do_not_depend_on_the_number_of_workers(root, tmp_path):
    make(tmp_path, workers=2)
    assert digests(tmp_path) == digests(root)


def test_another_seed_makes_other_rooms(root, tmp_path):
    make(tmp_path, replace(SPEC, seed=1))
    mine, theirs = digests(tmp_path), digests(root)
    assert mine['rooms/room_0000/view_0/image.png'] != theirs['rooms/room_0000/view_0/image.png']


def test_a_run_continues_where_an_earlier_one_stopped(root, tmp_path):
    make(tmp_path)
    kept = tmp_path / 'rooms/room_0002/view_0/image.png'
    before = kept.stat().st_mtime_ns
    (tmp_path / 'rooms/room_0001/view_1/depth.png').unlink()
    (tmp_path / 'rooms/room_0000/cameras.json').write_text('')
    left_over = tmp_path / 'rooms/.partial-room_0001/view_0'
    left_over.mkdir(parents=True)
    assert make(tmp_path) == ['room_0002', 'room_0000', 'room_0001']
    assert digests(tmp_path) == digests(root)
    assert kept.stat().st_mtime_ns == before
    assert not left_over.exists()


def _make_until_room_1(root):
    write_view = writer._write_view

    def write_and_stop(folder, view):
        write_view(folder, view)
        if folder.parent.name == '.partial-room_0001':
            time.sleep(600)

    writer._write_view = write_and_stop
    make(root)


def test_a_killed_run_leaves_whole_rooms_only(root, tmp_path):
    process = multiprocessing.get_context('spawn').Process(
        target=_make_until_room_1, args=(tmp_path,)
    )
    process.start()
    while not (tmp_path / 'rooms/.partial-room_0001/view_0').exists():
        assert process.is_alive()
        time.sleep(0.01)
    os.kill(process.pid, signal.SIGKILL)
    process.join()
    names = sorted(path.name for path in (tmp_path / 'rooms').iterdir())
    assert names == ['.partial-room_0001', 'room_0000']
    assert not (tmp_path / 'splits').exists()
    make(tmp_path)
    assert digests(tmp_path) == digests(root)


def test_a_full_disk_is_reported_and_leaves_nothing_half_written(root, tmp_path, monkeypatch):
    def no_space(self, data):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(self))

    monkeypatch.setattr(Path, 'write_bytes', no_space)
    with pytest.raises(OSError, match='No space left'):
        make(tmp_path)
    assert list((tmp_path / 'rooms').iterdir()) == []


def test_folders_of_others_are_refused(root, tmp_path):
    with pytest.raises(ValueError, match=r'seed is 0 there, 3 wanted\)\. Choose another folder'):
        make(root, replace(SPEC, seed=3))
    (tmp_path / 'rooms/holiday').mkdir(parents=True)
    with pytest.raises(ValueError, match='no meta.json'):
        make(tmp_path)
    with pytest.raises(OSError, match='Not a directory'):
        make(root / 'meta.json')
    running = write_synth_rooms(root, SPEC)
    next(running)
    with pytest.raises(BlockingIOError, match='another process'):
        make(root)
    running.close()


@pytest.mark.parametrize(
    'bad', [dict(train_rooms=0), dict(views=0), dict(height=8), dict(arc_degrees=90.0)]
)
def test_bad_specs_name_the_argument(bad):
    with pytest.raises(ValueError, match=next(iter(bad))):
        replace(SPEC, **bad)


def test_too_few_workers(tmp_path):
    with pytest.raises(ValueError, match='workers=0'):
        make(tmp_path, workers=0)


def synth_rooms(root, split='train', **kwargs):
    cfg = dict(
        type='SynthRoomsDataset',
        data_root=str(root),
        ann_file=f'splits/{split}.txt',
        pipeline=[
            dict(type='LoadImage'),
            dict(type='LoadLabels'),
            dict(type='PackMultiTaskInputs'),
        ],
    )
    return DATASETS.build(cfg | kwargs)


def test_the_data_set_reads_what_was_rendered(root):
    dataset = synth_rooms(root)
    scene = random_room(
        np.random.default_rng([0, 1]), size=SIZE, num_views=2, arc_degrees=SPEC.arc_degrees
    )
    view = render_room(scene, samples=1)[1]
    item = dataset[3]
    sample = item['data_samples']
    assert sample.img_id == 'room_0001/view_1'
    np.testing.assert_array_equal(item['inputs'].permute(1, 2, 0), view.image)
    for task in ('semseg', 'human_parts', 'edge', 'saliency'):
        np.testing.assert_array_equal(sample.gt.get(task)[0], getattr(view, task))
    np.testing.assert_allclose(sample.gt.depth[0], view.depth, atol=1.01e-4)
    in_label_axes = view.normals * (1, -1, -1)
    np.testing.assert_allclose(sample.gt.normals.permute(1, 2, 0), in_label_axes, atol=2e-5)
    np.testing.assert_allclose(sample.intrinsics, view.camera.intrinsics)
    np.testing.assert_allclose(sample.pose, view.camera.camera_to_world)
    assert dataset.get_data_info(3)['room'] == 'room_0001'


def test_splits_share_no_room(root):
    def split_rooms(split):
        dataset = synth_rooms(root, split)
        return {dataset.get_data_info(i)['room'] for i in range(len(dataset))}

    train, val = split_rooms('train'), split_rooms('val')
    assert len(train) == 2 and len(val) == 1 and not train & val
    assert json.loads((root / 'meta.json').read_text())['seed'] == 0


def test_a_missing_data_set_says_how_to_make_it(tmp_path):
    with pytest.raises(FileNotFoundError, match=f'synth_rooms.py --out {tmp_path}'):
        synth_rooms(tmp_path)
