"""COLMAP's poses against true ones, their scale, and scenes from which nothing can be had."""

import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from room_video import motion_error, room_views, write_video

from mtl3d.datasets.colmap import (
    Frame,
    Pair,
    SceneCameras,
    SparseView,
    convert_scenes,
    read_sparse_model,
)
from mtl3d.datasets.colmap.convert import PairLimits, metric_cameras
from mtl3d.datasets.colmap.scale import robust_scale, sensor_ratios
from mtl3d.datasets.colmap.sparse_model import ReconstructionError
from mtl3d.datasets.label_readers import read_stored_depth
from mtl3d.datasets.nyud_video import find_video_frames
from mtl3d.datasets.rgbd_frames import read_poses

FRAMES = Path(__file__).parents[3] / 'shared' / 'data' / 'rgbd_frames'
KINECT = np.array([[518.0, 0, 325.5], [0, 519.0, 253.5], [0, 0, 1]])


def between(poses, pair):
    """The motion from the second frame's camera to the first's."""
    first, second = pair.frames
    return np.linalg.inv(poses[first]) @ poses[second]


def compare(cameras, truth):
    """Largest errors over the usable pairs: degrees, and translation by the pairs' own scales."""
    found = {name: camera.pose for name, camera in cameras.frames.items()}
    errors = []
    for pair in cameras.pairs:
        motion = between(found, pair)
        motion[:3, 3] *= pair.scale
        errors.append(motion_error(between(truth, pair), motion))
    return np.array(errors)


@pytest.fixture(scope='module')
def video(tmp_path_factory):
    root = tmp_path_factory.mktemp('video')
    views = room_views()
    numbers = write_video(root, views)
    truth = {str(n): v.camera.camera_to_world for n, v in zip(numbers, views, strict=True)}
    return root, views[0].camera.intrinsics, truth


@pytest.fixture(scope='module')
def converted(video, tmp_path_factory):
    pytest.importorskip('pycolmap', reason='COLMAP: pip install pycolmap')
    root, intrinsics, truth = video
    out = tmp_path_factory.mktemp('cameras')
    results = list(
        convert_scenes(
            find_video_frames(root), out, intrinsics=intrinsics, read_depth=read_stored_depth
        )
    )
    assert results == [('room_0000_out', None)]
    return out, SceneCameras.read(out / 'room_0000_out.json'), truth


def test_a_rendered_room(converted):
    out, cameras, truth = converted
    assert len(cameras.frames) == 5 and cameras.unregistered == []
    assert len(cameras.pairs) == 10
    angle, shift = compare(cameras, truth).T
    assert angle.max() < 2
    assert shift.max() < 0.1
    assert [path.name for path in out.iterdir()] == ['room_0000_out.json']  # nothing is left over


def test_quality_of_pairs(converted):
    _, cameras, _ = converted
    overlaps = {pair.frames: pair.overlap for pair in cameras.pairs}
    assert min(overlaps['1', '2']) > max(overlaps['1', '3']) > max(overlaps['1', '5']) > 0.5
    for pair in cameras.pairs:
        assert pair.common_points >= 20
        assert pair.spread < 0.1
        assert pair.residual < 0.01
        assert pair.scale == pytest.approx(1, abs=0.05)


def test_real_frames(tmp_path):
    """Rotations within 2 degrees; translations, aligned by one scale, within 10 %, of each pair."""
    pytest.importorskip('pycolmap', reason='COLMAP: pip install pycolmap')
    if not FRAMES.is_dir():
        pytest.skip(f'{FRAMES} is not there')
    frames = [
        Frame(str(i), FRAMES / f'color/{i}.png', FRAMES / f'depth/{i}.pgm') for i in range(1, 6)
    ]
    scenes = dict(dining=frames)
    results = convert_scenes(scenes, tmp_path, intrinsics=KINECT, read_depth=read_stored_depth)
    assert list(results) == [('dining', None)]
    cameras = SceneCameras.read(tmp_path / 'dining.json')
    poses = dict(zip('12345', read_poses(FRAMES / 'pose.txt'), strict=True))
    assert set(cameras.frames) == set('12345') and len(cameras.pairs) == 10
    found = {name: camera.pose for name, camera in cameras.frames.items()}
    motions = [(between(found, pair), between(poses, pair)) for pair in cameras.pairs]
    shifts = np.array([(mine[:3, 3], true[:3, 3]) for mine, true in motions])
    scale = (shifts[:, 0] * shifts[:, 1]).sum() / (shifts[:, 0] ** 2).sum()
    assert scale == pytest.approx(1, abs=0.05)  # the sensor has fixed it
    for mine, true in motions:
        mine[:3, 3] *= scale
        angle, shift = motion_error(true, mine)
        assert angle < 2 and shift < 0.1


@pytest.mark.slow
def test_a_sequence_of_twenty_views(tmp_path):
    """Rotations within 2 degrees; positions, once aligned by one scale, within 10 % of the path."""
    pytest.importorskip('pycolmap', reason='COLMAP: pip install pycolmap')
    views = room_views(count=20, size=(240, 320), arc_degrees=2)
    numbers = write_video(tmp_path, views)
    results = convert_scenes(
        find_video_frames(tmp_path),
        tmp_path / 'out',
        intrinsics=views[0].camera.intrinsics,
        read_depth=read_stored_depth,
    )
    assert list(results) == [('room_0000_out', None)]
    cameras = SceneCameras.read(tmp_path / 'out' / 'room_0000_out.json')
    truth = {str(n): v.camera.camera_to_world for n, v in zip(numbers, views, strict=True)}
    angle, shift = compare(cameras, truth).T
    assert len(cameras.frames) == 20 and angle.max() < 2 and np.median(shift) < 0.1
    found, true = (
        np.array([(np.linalg.inv(poses['1']) @ poses[str(n)])[:3, 3] for n in numbers])
        for poses in ({k: c.pose for k, c in cameras.frames.items()}, truth)
    )
    scale = (found * true).sum() / (found * found).sum()
    assert scale == pytest.approx(1, abs=0.05)  # the sensor has fixed it
    assert np.linalg.norm(scale * found - true, axis=1).max() < 0.1 * np.linalg.norm(true[-1])


def test_an_interrupted_scene_leaves_nothing(video, tmp_path, monkeypatch):
    pytest.importorskip('pycolmap', reason='COLMAP: pip install pycolmap')
    root, intrinsics, _ = video

    def interrupted(*arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr('mtl3d.datasets.colmap.convert.metric_cameras', interrupted)
    work = convert_scenes(
        find_video_frames(root, 2), tmp_path, intrinsics=intrinsics, read_depth=read_stored_depth
    )
    with pytest.raises(KeyboardInterrupt):
        list(work)
    assert list(tmp_path.iterdir()) == []


def test_singular_intrinsics_are_refused_before_any_work(video, tmp_path):
    work = convert_scenes(
        find_video_frames(video[0]), tmp_path / 'out', intrinsics=np.diag([0.0, 1, 1]),
        read_depth=read_stored_depth,
    )  # fmt: skip
    with pytest.raises(ValueError, match='intrinsics is singular'):
        list(work)
    assert not (tmp_path / 'out').exists()


def test_a_written_model_is_read_text_and_binary(video, tmp_path):
    pycolmap = pytest.importorskip('pycolmap', reason='COLMAP: pip install pycolmap')
    model = tiny_model(pycolmap)
    for name, write in (('a', model.write_text), ('b/sparse/0', model.write_binary)):
        (tmp_path / name).mkdir(parents=True)
        write(tmp_path / name)
        views = read_sparse_model(tmp_path / name.split('/')[0])
        assert list(views) == ['1', '2']
        np.testing.assert_allclose(views['2'].intrinsics, [[50, 0, 29.5], [0, 60, 19.5], [0, 0, 1]])
        np.testing.assert_allclose(views['2'].to_camera[:3, 3], (-1, 0, 0))
        np.testing.assert_allclose(views['1'].depths, [4, 5])
        # The pixel of (0, 0, 4) is the principal point, in our convention.
        np.testing.assert_allclose(views['1'].pixels[0], (29.5, 19.5))
        assert views['1'].point_ids.tolist() == views['2'].point_ids.tolist()


def tiny_model(pycolmap, model='PINHOLE', params=(50, 60, 30, 20)):
    """Two cameras one unit apart that see two points."""
    reconstruction = pycolmap.Reconstruction()
    camera = pycolmap.Camera(model=model, width=60, height=40, params=params, camera_id=1)
    reconstruction.add_camera_with_trivial_rig(camera)
    points = np.array([[0.0, 0, 4], [0.5, 0.5, 5]])
    for index in (0, 1):
        shift = np.array([-float(index), 0, 0])
        pixels = [camera.img_from_cam(p + shift) for p in points]
        image = pycolmap.Image(
            name=f'{index + 1}.jpg', camera_id=1, image_id=index + 1,
            points2D=[pycolmap.Point2D(p) for p in pixels],
        )  # fmt: skip
        pose = pycolmap.Rigid3d(pycolmap.Rotation3d(np.eye(3)), shift)
        reconstruction.add_image_with_trivial_frame(image, pose)
    for index, point in enumerate(points):
        track = pycolmap.Track()
        for image_id in (1, 2):
            track.add_element(image_id, index)
        reconstruction.add_point3D(point, track, np.zeros(3, np.uint8))
    return reconstruction


def test_models_that_cannot_be_used(tmp_path):
    pycolmap = pytest.importorskip('pycolmap', reason='COLMAP: pip install pycolmap')
    with pytest.raises(FileNotFoundError, match='has no COLMAP model'):
        read_sparse_model(tmp_path)
    tiny_model(pycolmap, 'SIMPLE_RADIAL', (50, 30, 20, 0.1)).write_text(tmp_path)
    with pytest.raises(ValueError, match='has lens distortion'):
        read_sparse_model(tmp_path)
    (tmp_path / 'images.txt').write_text('1 nonsense\n')
    with pytest.raises(ValueError, match='is no readable COLMAP model'):
        read_sparse_model(tmp_path)


# -- without COLMAP --------------------------------------------------------------------------------


def synthetic_views(unit=0.5, count=30, noise=0.0):
    """What COLMAP would find of a plane at 2 m and two cameras 0.4 m apart, in its own unit."""
    rng = np.random.default_rng(0)
    points = rng.uniform((-0.4, -0.4, 2.0), (0.6, 0.4, 2.0), (count, 3))
    intrinsics = np.array([[40.0, 0, 31.5], [0, 40, 23.5], [0, 0, 1]])
    views = {}
    for name, x in (('1', 0.0), ('2', 0.4)):
        seen = points - (x, 0, 0)
        pose = np.eye(4)
        pose[0, 3] = -x / unit
        views[name] = SparseView(
            size=(48, 64),
            intrinsics=intrinsics,
            to_camera=pose,
            pixels=(seen @ intrinsics.T)[:, :2] / seen[:, 2:],
            point_ids=np.arange(count),
            depths=seen[:, 2] / unit * np.exp(noise * rng.standard_normal(count)),
        )
    return views, [Frame(name, Path(name), Path(name)) for name in views]


def flat_depth(path):
    return np.full((48, 64), 2.0, np.float32)


def test_the_sensor_fixes_the_scale():
    views, frames = synthetic_views()
    cameras = metric_cameras(views, frames, flat_depth, PairLimits())
    assert cameras.metres_per_unit == pytest.approx(0.5)
    motion = between({k: c.pose for k, c in cameras.frames.items()}, cameras.pairs[0])
    np.testing.assert_allclose(motion[:3, 3], (0.4, 0, 0), atol=1e-9)
    pair = cameras.pairs[0]
    assert (pair.common_points, pair.scale) == (30, pytest.approx(1))
    # Of 64 columns, 0.4 m * 40 / 2 m = 8 are out of the other picture.
    assert pair.overlap == (pytest.approx(0.875), pytest.approx(0.875))


@pytest.mark.parametrize(
    ('unshared', 'noise', 'usable'), [(0, 0, True), (1, 0, False), (0, 0.05, True), (0, 0.5, False)]
)
def test_pairs_of_few_or_contradicting_points_are_dropped(unshared, noise, usable):
    views, frames = synthetic_views(count=20, noise=noise)
    views['2'].point_ids[:unshared] += 100
    if usable:
        assert len(metric_cameras(views, frames, flat_depth, PairLimits()).pairs) == 1
    else:
        with pytest.raises(ReconstructionError, match='2 of 2 images .* no pair is usable'):
            metric_cameras(views, frames, flat_depth, PairLimits())


def test_pairs_whose_pose_contradicts_the_depth_are_dropped():
    """Each view's depths may agree with its sensor although the views do not fit together."""
    views, frames = synthetic_views(unit=1.0)
    good = metric_cameras(views, frames, flat_depth, PairLimits())
    assert good.pairs[0].residual == pytest.approx(0, abs=1e-9)
    views['2'].to_camera[2, 3] = 0.2  # as if it stood 0.2 m further back, before a wall at 2 m
    with pytest.raises(ReconstructionError, match='1 have poses that contradict the depth'):
        metric_cameras(views, frames, flat_depth, PairLimits())
    kept = metric_cameras(views, frames, flat_depth, PairLimits(max_residual=0.2)).pairs
    assert kept[0].residual == pytest.approx(0.1, abs=0.02)


def test_frames_far_apart_are_no_pair():
    views, frames = synthetic_views()
    between_them = [Frame(str(n), Path(), Path()) for n in range(10, 14)]
    views |= {frame.name: views['1'] for frame in between_them}
    ordered = [frames[0], *between_them, frames[1]]
    cameras = metric_cameras(views, ordered, flat_depth, PairLimits(max_distance=4))
    pairs = {pair.frames for pair in cameras.pairs}
    assert ('1', '13') in pairs and ('1', '2') not in pairs


@pytest.mark.parametrize(
    ('depth', 'names', 'message'),
    [
        (lambda path: np.zeros((48, 64)), ('1', '2'), 'measured 0 of the sparse points'),
        (flat_depth, ('1',), '1 of 2 images are registered'),
        (
            lambda path: np.ones((24, 32)),
            ('1', '2'),
            r'is \(24, 32\), but its picture is \(48, 64\)',
        ),
    ],
)
def test_scenes_without_scale_or_pair_are_refused(depth, names, message):
    views, frames = synthetic_views()
    with pytest.raises(ReconstructionError, match=message):
        metric_cameras({name: views[name] for name in names}, frames, depth, PairLimits())


KILLED = """
import sys, time
from pathlib import Path
from test_colmap import flat_depth, synthetic_views
from mtl3d.datasets.colmap import convert

def depth(path):
    time.sleep(60 * path.startswith('second'))
    return flat_depth(path)

convert.read_sparse_model = lambda folder: synthetic_views()[0]
frames = lambda scene: [convert.Frame(n, Path(n), Path(scene + n)) for n in '12']
scenes = {scene: frames(scene) for scene in ('first', 'second')}
settings = dict(intrinsics=synthetic_views()[0]['1'].intrinsics, models=Path('models'))
list(convert.convert_scenes(scenes, Path(sys.argv[1]), read_depth=depth, **settings))
"""


def test_a_killed_run_leaves_whole_files_and_continues(tmp_path, monkeypatch):
    """kill -9 in the middle of the second scene; the first one is not done again."""
    command = [sys.executable, '-c', KILLED, str(tmp_path)]
    path = f'{Path(__file__).parent}{os.pathsep}{Path(__file__).parents[1]}'
    with subprocess.Popen(command, env=os.environ | dict(PYTHONPATH=path)) as process:
        while process.poll() is None and not list(tmp_path.glob('.work-second-*')):
            time.sleep(0.05)
        process.kill()
    left = sorted(file.name.split('-')[0] for file in tmp_path.iterdir())
    assert left == ['.work', 'first.json']
    written = (tmp_path / 'first.json').stat().st_mtime_ns
    (tmp_path / '.work-third-0').mkdir()  # of another process, which is at work on it

    views, frames = synthetic_views()
    monkeypatch.setattr('mtl3d.datasets.colmap.convert.read_sparse_model', lambda folder: views)
    again = convert_scenes(
        dict(first=frames, second=frames), tmp_path, intrinsics=views['1'].intrinsics,
        read_depth=flat_depth, models=Path('models'),
    )  # fmt: skip
    assert list(again) == [('first', None), ('second', None)]
    files = ['.work-third-0', 'first.json', 'second.json']
    assert sorted(file.name for file in tmp_path.iterdir()) == files
    assert (tmp_path / 'first.json').stat().st_mtime_ns == written


def test_ratios_are_those_of_the_nearest_pixel():
    sensor = np.arange(12.0).reshape(3, 4) + 1
    sensor[1, 1] = 0
    pixels = np.array(
        [[0, 0], [3, 2], [-0.4, 0.6], [1, 1], [4, 2], [3, 3], [-1, 0], [0, -1], [2, 0]]
    )
    ratios = sensor_ratios(pixels, np.array([2.0, 2, 2, 2, 2, 2, 2, 2, -2]), sensor)
    np.testing.assert_array_equal(ratios, [0.5, 6, 2.5, *[np.nan] * 6])


def test_median_and_spread():
    assert robust_scale(np.array([1.0, 2, 3, 4, 5, np.nan])) == (3, pytest.approx(2 / 3), 5)
    assert robust_scale(np.array([np.nan])).ratios == 0


def test_damaged_camera_files_are_named(tmp_path):
    for content in ('{', '{"frames": {}}', '[]'):
        (tmp_path / 'x.json').write_text(content)
        with pytest.raises(ValueError, match=r'x\.json is no file of scene cameras'):
            SceneCameras.read(tmp_path / 'x.json')


def test_camera_files_round_trip(tmp_path):
    views, frames = synthetic_views()
    cameras = metric_cameras(views, frames, flat_depth, PairLimits())
    cameras.write(tmp_path / 'x.json')
    again = SceneCameras.read(tmp_path / 'x.json')
    assert again.pairs == cameras.pairs and isinstance(again.pairs[0], Pair)
    np.testing.assert_array_equal(again.frames['2'].pose, cameras.frames['2'].pose)
    assert [path.name for path in tmp_path.iterdir()] == ['x.json']
