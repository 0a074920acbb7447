"""Two views from SynthRooms and from folders of RGB-D frames."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from room_video import room_views
from scipy.spatial.transform import Rotation

from mtl3d.datasets.rgbd_frames import read_poses
from mtl3d.datasets.synthesis import SynthRoomsSpec, write_synth_rooms
from mtl3d.geometry.depth_maps import depth_residual
from mtl3d.registry import DATASETS

FRAMES = Path(__file__).parents[3] / 'shared' / 'data' / 'rgbd_frames'
PIPELINE = [dict(type='LoadImage'), dict(type='LoadLabels'), dict(type='PackMultiTaskInputs')]


@pytest.fixture(scope='module')
def rooms(tmp_path_factory):
    root = tmp_path_factory.mktemp('rooms')
    spec = SynthRoomsSpec(train_rooms=2, val_rooms=0, views=3, height=48, width=64, samples=1)
    list(write_synth_rooms(root, spec))
    return root


def synth(rooms, **settings):
    inner = dict(type='SynthRoomsDataset', data_root=str(rooms), ann_file='splits/train.txt',
                 pipeline=PIPELINE)  # fmt: skip
    return DATASETS.build(dict(type='TwoViewDataset', dataset=inner, **settings))


def partner_ids(dataset):
    names = [dataset.dataset.get_data_info(i)['img_id'] for i in range(len(dataset))]
    return {names[i]: [names[j] for j, _ in found] for i, found in dataset.partners.items()}


def residual(sample):
    second, first = sample.second, sample
    return depth_residual(
        second.gt.depth[0].numpy(), second.intrinsics, first.gt.depth[0].numpy(), first.intrinsics,
        sample.relative_pose,
    )  # fmt: skip


def test_views_of_a_room_are_paired_and_consistent(rooms):
    dataset = synth(rooms, max_distance=2, min_overlap=0.1)
    assert len(dataset) == 6 and dataset.metainfo['dataset'] == 'synthrooms'
    found = partner_ids(dataset)
    assert found['room_0000/view_0'] == ['room_0000/view_1', 'room_0000/view_2']
    for index in range(6):
        sample = dataset[index]['data_samples']
        assert sample.img_id.split('/')[0] == sample.second.img_id.split('/')[0]
        assert sample.img_id != sample.second.img_id
        assert set(sample.second.gt.keys()) == set(sample.gt.keys())
        assert np.nanmedian(np.abs(residual(sample))) < 0.01


def test_distance_and_overlap_limit_the_pairs(rooms):
    near = partner_ids(synth(rooms, max_distance=1, min_overlap=0))
    assert near['room_0001/view_0'] == ['room_0001/view_1']
    far = partner_ids(synth(rooms, min_distance=2, max_distance=2, min_overlap=0))
    assert far == {
        f'room_000{r}/view_{a}': [f'room_000{r}/view_{2 - a}'] for r in (0, 1) for a in (0, 2)
    }
    some = synth(rooms, max_distance=2, min_overlap=0.75)
    every = synth(rooms, max_distance=2, min_overlap=0)
    assert 0 < sum(map(len, some.partners.values())) < sum(map(len, every.partners.values()))
    with pytest.raises(ValueError, match=r'no item .* has a second view: 6 of 6 have a pose, in 2'):
        synth(rooms, max_distance=2, min_overlap=1)


def test_single_and_two_view_items_mix(rooms):
    dataset = synth(rooms, prob=0.5)
    there = ['second' in dataset[0]['data_samples'] for _ in range(40)]
    assert 5 < sum(there) < 35
    assert not any('second' in synth(rooms, prob=0.0)[i]['data_samples'] for i in range(6))


@pytest.mark.parametrize(
    'settings',
    [
        dict(min_distance=0),
        dict(min_distance=3, max_distance=2),
        dict(min_overlap=1.5),
        dict(prob=-1),
    ],
)
def test_impossible_limits_are_named(rooms, settings):
    with pytest.raises(ValueError, match=next(iter(settings))):
        synth(rooms, **settings)


def write_frames(root, rows=None):
    """Three views as a folder of RGB-D frames."""
    views = room_views(count=3, size=(24, 32), arc_degrees=5)
    for name in ('color', 'depth'):
        (root / name).mkdir(parents=True)
    lines = []
    for index, view in enumerate(views):
        Image.fromarray(view.image).save(root / f'color/{index}.png')
        Image.fromarray(np.round(view.depth * 5000).astype(np.uint16)).save(
            root / f'depth/{index}.png'
        )
        pose = view.camera.camera_to_world
        quaternion = Rotation.from_matrix(pose[:3, :3]).as_quat()
        lines.append(' '.join(map(repr, (*pose[:3, 3].tolist(), *quaternion.tolist()))))
    (root / 'pose.txt').write_text('\n'.join(rows or lines) + '\n')
    return views


def frames(root, intrinsics, **settings):
    inner = dict(type='RGBDFramesDataset', data_root=str(root), intrinsics=intrinsics,
                 pipeline=PIPELINE, **settings)  # fmt: skip
    return DATASETS.build(dict(type='TwoViewDataset', dataset=inner, max_distance=1))


def test_a_folder_of_frames(tmp_path):
    views = write_frames(tmp_path)
    matrix = views[0].camera.intrinsics
    dataset = frames(tmp_path, matrix[[0, 1, 0, 1], [0, 1, 2, 2]], units_per_metre=5000.0)
    sample = dataset[0]['data_samples']
    assert (sample.img_id, sample.second.img_id) == ('0', '1')
    np.testing.assert_allclose(sample.intrinsics, matrix)
    np.testing.assert_allclose(sample.gt.depth[0], views[0].depth, atol=2e-4)
    expected = np.linalg.inv(views[0].camera.camera_to_world) @ views[1].camera.camera_to_world
    np.testing.assert_allclose(sample.relative_pose, expected, atol=1e-12)


@pytest.mark.parametrize(
    ('rows', 'message'),
    [
        (['0 0 0 0 0 0 1'] * 2, r'has 2 rows, but there are 3 frames'),
        (['0 0 0 0 0 0 1', '0 0 0 1'], r'row 2: 4 numbers'),
        (['0 0 0 0 0 0 2'], r'row 1: the quaternion has length 2, so this is no rigid motion'),
        (['0 0 0 0 0 0 nan'], r'row 1: the quaternion has length nan'),
    ],
)
def test_damaged_poses_are_named(tmp_path, rows, message):
    write_frames(tmp_path, rows)
    with pytest.raises(ValueError, match=message):
        frames(tmp_path, (20, 20, 15.5, 11.5))


def test_time_stamps_and_comments_of_poses_are_skipped(tmp_path):
    (tmp_path / 'p.txt').write_text('# time x y z q\n12.5 1 2 3 0 0 1 0\n\n')
    np.testing.assert_allclose(
        read_poses(tmp_path / 'p.txt'), [[[-1, 0, 0, 1], [0, -1, 0, 2], [0, 0, 1, 3], [0, 0, 0, 1]]]
    )


def test_depth_is_needed_for_overlap(tmp_path):
    write_frames(tmp_path)
    with pytest.raises(ValueError, match=r"min_overlap=0\.3 needs the depth of '\d'"):
        frames(tmp_path, (20, 20, 15.5, 11.5), tasks=())


def test_real_frames_warp_onto_each_other():
    """Neighbours in both directions, through the whole chain; the residual of the sensor."""
    if not FRAMES.is_dir():
        pytest.skip(f'{FRAMES} is not there')
    dataset = frames(FRAMES, (518.0, 519.0, 325.5, 253.5))
    for index in range(5):
        sample = dataset[index]['data_samples']
        assert abs(int(sample.img_id) - int(sample.second.img_id)) == 1
        assert np.nanmedian(np.abs(residual(sample))) < 0.03
