"""The tools that check archives and convert RGB-D folders."""

import importlib.util
import shutil
from pathlib import Path

import numpy as np
import pytest
from archives import SIZE, make_nyud, make_pascal, save_array
from PIL import Image

from mtl3d.apis.command_line import run_tool
from mtl3d.datasets import NYUDv2Dataset
from mtl3d.datasets.archive_report import check_split
from mtl3d.datasets.rgbd_folder import cover, find_frames
from mtl3d.registry import DATASETS

ROOT = Path(__file__).parents[2]
FIXTURE = ROOT / 'tests' / 'data' / 'rgbd_masks'
FRAMES = ROOT.parent / 'shared' / 'data' / 'rgbd_frames'


def tool(name):
    path = ROOT / 'tools' / 'dataset_converters' / f'{name}.py'
    spec = importlib.util.spec_from_file_location(f'converter_{name}', path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.main


def run(name, *arguments):
    return run_tool(tool(name), [str(argument) for argument in arguments])


def test_report_counts_what_is_there(tmp_path):
    make_nyud(tmp_path)
    (tmp_path / 'depth/0003.npy').unlink()
    dataset = NYUDv2Dataset(data_root=str(tmp_path), ann_file='gt_sets/train.txt')
    report = check_split(dataset)
    assert report.images == 3 and report.sizes == {SIZE: 3} and not report.problems
    depth, normals = report.tasks['depth'], report.tasks['normals']
    assert depth.images == 2 and depth.pixels == 2 * SIZE[0] * SIZE[1]
    assert depth.valid == depth.pixels - 2 * 2 * SIZE[1]
    assert 0 < depth.low < 0.1 and 8.9 < depth.high <= 9
    assert -1 <= normals.low < -0.99 and 0.99 < normals.high <= 1
    assert report.tasks['semseg'].classes == set(range(40))


def test_check_of_a_good_archive(tmp_path, capsys):
    make_pascal(tmp_path)
    assert run('pascal_context', tmp_path, '--workers', 0) == 0
    out = capsys.readouterr().out
    assert 'train: 2 images (published: 4998), 30 x 40 (2)' in out
    assert 'human_parts' in out and 'Every file can be used' in out


def test_check_lists_bad_files(tmp_path, capsys):
    make_nyud(tmp_path)
    (tmp_path / 'images/0002.png').write_bytes(b'no picture')
    save_array(tmp_path / 'depth/0001.npy', np.full(SIZE, 3000.0))
    save_array(tmp_path / 'depth/0004.npy', np.full((9, 9), 3.0))
    assert run('nyud', tmp_path, '--workers', 0, '--tasks', 'depth') == 1
    captured = capsys.readouterr()
    for name in ('images/0002.png', 'depth/0001.npy', 'depth/0004.npy'):
        assert name in captured.out
    assert '3 files' in captured.err and len(captured.err.splitlines()) == 1


def test_check_of_nothing_is_one_line(tmp_path, capsys):
    assert run('nyud', tmp_path / 'nowhere') == 1
    assert len(capsys.readouterr().err.splitlines()) == 1


@pytest.fixture
def frames(tmp_path):
    """Two copies of the fixture's frame."""
    source = tmp_path / 'frames'
    for folder, suffix in (('color', 'jpg'), ('depth', 'png')):
        (source / folder).mkdir(parents=True)
        for name in ('9', '10'):
            shutil.copy(FIXTURE / folder / f'1.{suffix}', source / folder / f'{name}.{suffix}')
    return source


def test_rgbd_folder_becomes_an_archive(tmp_path, frames):
    out = tmp_path / 'out'
    camera = (310, 310, 160, 120)
    assert run('rgbd_folder', frames, out, '--size', 120, 150, '--intrinsics', *camera) == 0
    dataset = DATASETS.build(
        dict(
            type='NYUDv2Dataset',
            data_root=str(out),
            ann_file='gt_sets/train.txt',
            pipeline=[
                dict(type='LoadImage'),
                dict(type='LoadLabels'),
                dict(type='PackMultiTaskInputs'),
            ],
        )
    )
    assert (out / 'gt_sets/val.txt').read_text() == '10\n'  # numbers count as numbers
    sample = dataset[0]['data_samples']
    assert set(sample.gt.keys()) == {'depth', 'normals'}
    assert sample.ori_shape == (120, 150)
    assert 0.3 < sample.gt.depth[sample.gt.depth > 0].median() < 3
    length = sample.gt.normals.norm(dim=0)
    assert set(length.round(decimals=4).unique().tolist()) == {0.0, 1.0}
    assert (length > 0).float().mean() > 0.15
    assert (sample.gt.normals[2][length > 0] > 0).float().mean() > 0.95  # towards the viewer


def test_cover_follows_the_camera():
    """Columns and rows are stored in the picture; the camera must see them where they are."""
    rows, columns = np.mgrid[:48, :80]
    image = np.stack([columns * 3, rows * 5, rows], axis=-1).astype(np.uint8)
    camera = np.array([[100.0, 0, 40], [0, 100.0, 24], [0, 0, 1]])
    small, depth, moved = cover(image, np.ones((48, 80)), camera, (24, 30))
    assert small.shape == (24, 30, 3) and depth.shape == (24, 30)
    assert moved[0, 0] == pytest.approx(50) and moved[1, 1] == pytest.approx(50)
    row, column = 10, 20
    ray = np.linalg.inv(moved) @ (column, row, 1)
    old = camera @ ray
    np.testing.assert_allclose(small[row, column, :2] / (3, 5), old[:2], atol=0.4)


def test_rgbd_folder_errors_are_one_line(tmp_path, frames, capsys):
    assert run('rgbd_folder', tmp_path / 'nowhere', tmp_path / 'out') == 1
    (frames / 'depth/9.png').unlink()
    assert run('rgbd_folder', frames, tmp_path / 'out') == 1
    errors = capsys.readouterr().err.splitlines()
    assert len(errors) == 2
    assert 'color' in errors[0] and '9.jpg has no depth frame' in errors[1]


def test_rgbd_folder_keeps_both_splits_filled(tmp_path, frames, capsys):
    assert run('rgbd_folder', frames, tmp_path / 'out', '--val-frames', 2) == 1
    assert 'val_frames=2 of 2' in capsys.readouterr().err
    Image.fromarray(np.zeros((5, 5), np.uint16)).save(frames / 'depth/9.png')
    assert run('rgbd_folder', frames, tmp_path / 'out') == 1
    assert 'registered' in capsys.readouterr().err


def test_frames_are_found(frames):
    assert [name for name, _, _ in find_frames(frames)] == ['9', '10']


@pytest.mark.skipif(not FRAMES.is_dir(), reason='the real frames of ../shared/data are not here')
def test_real_frames(tmp_path):
    assert run('rgbd_folder', FRAMES, tmp_path / 'out') == 0
    report = check_split(
        NYUDv2Dataset(data_root=str(tmp_path / 'out'), ann_file='gt_sets/train.txt')
    )
    assert report.images == 4 and not report.problems and report.sizes == {(425, 560): 4}
    assert report.tasks['depth'].valid > 0.65 * report.tasks['depth'].pixels
    assert report.tasks['normals'].valid > 0.5 * report.tasks['normals'].pixels
    floor = np.load(tmp_path / 'out/normals/3.npy')[350:, 200:350].reshape(-1, 3)
    floor = floor[(floor != 0).any(axis=1)]
    assert np.median(floor[:, 1]) > 0.85  # the floor points up
