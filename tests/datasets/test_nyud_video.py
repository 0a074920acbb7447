"""NYUv2's videos beside its labelled images."""

import numpy as np
import pytest
from archives import make_nyud
from PIL import Image
from room_video import room_views, write_video

from mtl3d.datasets.colmap import FrameCamera, Pair, SceneCameras
from mtl3d.datasets.label_readers import read_stored_depth
from mtl3d.datasets.nyud_video import NYUD_INTRINSICS, find_video_frames
from mtl3d.registry import DATASETS

SIZE = (24, 32)
SCENE = 'room_0000_out'
PIPELINE = [dict(type='LoadImage'), dict(type='LoadLabels'), dict(type='PackMultiTaskInputs')]


@pytest.fixture
def roots(tmp_path):
    """A labelled archive of three images and a video of frames 1, 11, 21 with cameras."""
    make_nyud(tmp_path / 'labelled')
    views = room_views(count=3, size=SIZE, arc_degrees=5)
    write_video(tmp_path, views, SCENE, step=10)
    camera = views[0].camera
    frames = {
        name: FrameCamera(camera.intrinsics, view.camera.camera_to_world)
        for name, view in zip(('1', '11', '21'), views, strict=True)
    }
    pairs = [
        Pair(('1', '11'), 50, 1.0, 0.05, (0.9, 0.6), 0.01),
        Pair(('11', '21'), 40, 2.0, 0.05, (0.5, 0.4), 0.02),
    ]
    (tmp_path / 'cameras').mkdir()
    SceneCameras(frames, pairs, 1.0, []).write(tmp_path / 'cameras' / f'{SCENE}.json')
    return tmp_path


def build(roots, **settings):
    cfg = dict(
        type='NYUDv2VideoDataset', data_root=str(roots / 'labelled'), ann_file='gt_sets/train.txt',
        video_root=str(roots), cameras=str(roots / 'cameras'), pipeline=PIPELINE,
    )  # fmt: skip
    return DATASETS.build(cfg | settings)


def two_views(dataset, **settings):
    return DATASETS.build(dict(type='TwoViewDataset', dataset=dataset, max_distance=10) | settings)


def test_labelled_images_come_first_and_frames_have_depth_alone(roots):
    dataset = build(roots)
    assert len(dataset) == 3 + 3
    assert set(dataset[0]['data_samples'].gt.keys()) == {'semseg', 'depth', 'normals', 'edge'}
    sample = dataset[4]['data_samples']
    assert sample.img_id == f'{SCENE}/11'
    assert list(sample.gt.keys()) == ['depth']
    expected = np.round(room_views(count=3, size=SIZE, arc_degrees=5)[1].depth, 3)
    np.testing.assert_allclose(sample.gt.depth[0], expected, atol=2e-6)
    np.testing.assert_allclose(sample.pose, room_views(3, SIZE, 5)[1].camera.camera_to_world)


def test_labelled_images_can_be_repeated_and_frames_thinned(roots):
    dataset = build(roots, labelled_repeat=3, frame_stride=2)
    ids = [dataset.get_data_info(i)['img_id'] for i in range(len(dataset))]
    assert ids == ['0001', '0003', '0004'] * 3 + [f'{SCENE}/1', f'{SCENE}/21']


def test_without_cameras_frames_are_single_views(roots):
    dataset = build(roots, cameras=None)
    assert 'pose' not in dataset.get_data_info(4)
    np.testing.assert_array_equal(dataset.get_data_info(4)['intrinsics'], NYUD_INTRINSICS)
    assert 'second' not in dataset[4]['data_samples']
    with pytest.raises(ValueError, match='no item of NYUDv2VideoDataset has a second view: 0 of 6'):
        two_views(dataset)


def test_frames_without_the_depth_task_have_no_label(roots):
    sample = build(roots, tasks=['semseg'])[4]['data_samples']
    assert list(sample.gt.keys()) == []


def test_pairs_are_those_of_the_converter(roots):
    """Overlap counts the second view's pixels that the first sees; the scale moves the camera."""
    dataset = build(roots)
    pairs = two_views(dataset, min_overlap=0.45)
    # The first view's volume shows 0.6 of frame 11; 0.4 of frame 21 is too little.
    assert pairs.partners == {3: [(4, 1.0)], 4: [(3, 1.0)], 5: [(4, 2.0)]}
    assert 'second' not in pairs[0]['data_samples']
    sample = pairs[5]['data_samples']
    assert sample.second.img_id == f'{SCENE}/11'
    poses = [view.camera.camera_to_world for view in room_views(3, SIZE, 5)]
    expected = np.linalg.inv(poses[2]) @ poses[1]
    expected[:3, 3] *= 2
    np.testing.assert_allclose(sample.relative_pose, expected, atol=1e-12)
    assert two_views(dataset, min_overlap=0.3).partners[4] == [(3, 1.0), (5, 2.0)]


def test_depth_of_8_and_of_16_bits(tmp_path):
    for dtype, value, metres in ((np.uint8, 51, 2.0), (np.uint16, 2500, 2.5), (np.uint16, 0, 0.0)):
        Image.fromarray(np.full((2, 3), value, dtype)).save(tmp_path / 'x.png')
        depth = read_stored_depth(str(tmp_path / 'x.png'))
        assert depth.dtype == np.float32
        np.testing.assert_allclose(depth, metres, rtol=1e-6)


def test_another_unit_of_depth(roots):
    """The default takes 16 bits for millimetres; a wrong unit is found before any work."""
    metres = build(roots)[4]['data_samples'].gt.depth
    half = build(roots, units_per_metre=2000.0)[4]['data_samples'].gt.depth
    np.testing.assert_allclose(half, metres / 2, rtol=1e-6)
    for units in (1.0, 100_000.0):
        with pytest.raises(ValueError, match=r'1\.png: the median depth is .*units_per_metre must'):
            build(roots, units_per_metre=units)
    build(roots, units_per_metre=1.0, tasks=['semseg'])  # no depth, no opinion about it


def test_a_misspelt_argument_is_named(roots):
    with pytest.raises(TypeError, match="'taks'"):
        build(roots, taks=['depth'])


def test_test_images_of_the_public_copy_are_not_read(roots):
    """As the copy has them: nyu2_test/<number>_colors.png and 16-bit <number>_depth.png."""
    (roots / 'nyu2_test').mkdir()
    for name in ('00000_colors.png', '00000_depth.png'):
        Image.fromarray(np.full(SIZE, 1000, np.uint16)).save(roots / 'nyu2_test' / name)
    assert not any('nyu2_test' in build(roots).get_data_info(i)['img_path'] for i in range(6))


def test_frames_are_in_the_order_of_time(tmp_path):
    write_video(tmp_path, room_views(3, SIZE, 5), SCENE, first=8, step=1)
    (tmp_path / 'nyu2_train' / SCENE / '9.png').unlink()
    frames = find_video_frames(tmp_path)[SCENE]
    assert [frame.name for frame in frames] == ['8', '10']


@pytest.mark.parametrize(
    ('settings', 'error', 'message'),
    [
        (dict(video_root='/nowhere'), FileNotFoundError, "video_root='/nowhere' has no folder"),
        (dict(cameras='/nowhere'), FileNotFoundError, "cameras='/nowhere' has no <scene>_out.json"),
        (dict(frame_stride=0), ValueError, 'frame_stride=0'),
        (dict(labelled_repeat=0), ValueError, 'labelled_repeat=0'),
    ],
)
def test_what_is_missing_is_named(roots, settings, error, message):
    with pytest.raises(error, match=message):
        build(roots, **settings)


def test_a_folder_without_frames_is_named(tmp_path):
    (tmp_path / 'nyu2_train' / SCENE).mkdir(parents=True)
    with pytest.raises(FileNotFoundError, match='has no frames'):
        find_video_frames(tmp_path)
