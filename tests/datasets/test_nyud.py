"""NYUv2 in both layouts, and what all data sets share."""

import pickle

import numpy as np
import pytest
from archives import SIZE, make_nyud, save_array, save_picture
from mmengine.dataset import BaseDataset

from mtl3d.datasets import LabelPattern, MultiTaskDataset, NYUDv2Dataset
from mtl3d.datasets.label_readers import read_depth_array, warn_again
from mtl3d.datasets.multi_task_dataset import hash_subset
from mtl3d.registry import DATASETS

LOAD = [dict(type='LoadImage'), dict(type='LoadLabels')]


def nyud(root, split='train', **kwargs):
    cfg = dict(
        type='NYUDv2Dataset',
        data_root=str(root),
        ann_file=f'gt_sets/{split}.txt',
        pipeline=[*LOAD, dict(type='PackMultiTaskInputs')],
    )
    return DATASETS.build(cfg | kwargs)


@pytest.mark.parametrize('pictures', [True, False], ids=['NYUDv2', 'NYUD_MT'])
def test_both_layouts_decode_to_what_was_written(tmp_path, pictures):
    written = make_nyud(tmp_path, pictures)
    dataset = nyud(tmp_path)
    assert len(dataset) == 3
    for index, img_id in enumerate(['0001', '0003', '0004']):
        packed = dataset[index]
        sample, expected = packed['data_samples'], written[img_id]
        assert sample.img_id == img_id and sample.ori_shape == SIZE
        if pictures:  # a JPEG is not what was written
            np.testing.assert_array_equal(packed['inputs'].permute(1, 2, 0), expected['img'])
        for task in ('semseg', 'depth', 'edge'):
            np.testing.assert_array_equal(sample.gt.get(task)[0], expected[task])
        np.testing.assert_array_equal(sample.gt.normals.permute(1, 2, 0), expected['normals'])


@pytest.mark.parametrize('serialize', [True, False])
@pytest.mark.parametrize('lazy', [True, False])
def test_mmengine_features_keep_working(tmp_path, serialize, lazy):
    make_nyud(tmp_path)
    dataset = nyud(tmp_path, serialize_data=serialize, lazy_init=lazy)
    assert isinstance(dataset, BaseDataset)
    dataset.full_init()
    assert dataset.get_data_info(1)['img_id'] == '0003'
    assert dataset.get_subset([2])[0]['data_samples'].img_id == '0004'
    assert len(nyud(tmp_path, indices=2)) == 2
    assert len(pickle.loads(pickle.dumps(dataset))) == 3  # workers that are spawned
    assert dataset.metainfo['tasks'] == ('semseg', 'depth', 'normals', 'edge')
    assert len(dataset.metainfo['classes']['semseg']) == 40
    assert len(set(dataset.metainfo['palette']['semseg'])) == 40


def test_subsets_leave_nothing_in_mmengines_shared_memo(tmp_path):
    make_nyud(tmp_path)
    (memo,) = BaseDataset._copy_without_annotation.__defaults__
    before = len(memo)
    nyud(tmp_path).get_subset([0])
    assert len(memo) == before


def test_tasks_choose_the_labels(tmp_path):
    make_nyud(tmp_path)
    dataset = nyud(tmp_path, tasks=['depth'])
    assert list(dataset[0]['data_samples'].gt.keys()) == ['depth']
    assert dataset.metainfo['tasks'] == ('depth',)


def test_a_missing_label_file_is_an_absent_label(tmp_path):
    make_nyud(tmp_path)
    (tmp_path / 'depth/0003.npy').unlink()
    dataset = nyud(tmp_path)
    assert 'depth' not in dataset[1]['data_samples'].gt
    assert 'depth' in dataset[0]['data_samples'].gt


def test_an_empty_task_folder_means_not_annotated(tmp_path):
    make_nyud(tmp_path)
    for file in (tmp_path / 'edge').iterdir():
        file.unlink()
    assert 'edge' not in nyud(tmp_path)[0]['data_samples'].gt


@pytest.mark.parametrize(('fraction', 'count'), [(1.0, 795), (0.5, 397), (0.25, 198)])
def test_fractions_of_table_7(tmp_path, fraction, count):
    ids = [f'{i:04d}' for i in range(1, 796)]
    chosen = hash_subset(ids, fraction, seed=0)
    assert len(chosen) == count
    assert chosen == sorted(chosen) and set(chosen) <= set(ids)
    # Independent of the order of the list and nested, so each method and run sees the same images.
    assert set(hash_subset(ids[::-1], fraction, seed=0)) == set(chosen)
    assert set(hash_subset(ids, fraction / 2, seed=0)) <= set(chosen)
    if fraction < 1:
        assert chosen != hash_subset(ids, fraction, seed=1)
        assert chosen != ids[:count]


def test_the_chosen_subset_never_changes():
    """Pinned: a change would make results of a fraction incomparable with earlier ones."""
    chosen = hash_subset([f'{i:04d}' for i in range(1, 796)], 0.25, seed=0)
    assert chosen[:5] == ['0002', '0004', '0015', '0019', '0021']


def test_data_fraction_of_the_data_set(tmp_path):
    make_nyud(tmp_path)
    dataset = nyud(tmp_path, data_fraction=0.67)
    expected = hash_subset(['0001', '0003', '0004'], 0.67, 0)
    assert [dataset.get_data_info(i)['img_id'] for i in range(len(dataset))] == expected
    assert len(expected) == 2


# -- what is missing is one early error that names the file, the key and the remedy ----------------


def test_missing_data_root(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"data_root='.*nowhere'.*DATA_ROOT"):
        nyud(tmp_path / 'nowhere')


def test_missing_list(tmp_path):
    make_nyud(tmp_path)
    with pytest.raises(FileNotFoundError, match=r"ann_file='.*gt_sets/test.txt'.*data_root"):
        nyud(tmp_path, split='test')


def test_empty_list(tmp_path):
    make_nyud(tmp_path)
    (tmp_path / 'gt_sets/train.txt').write_text('\n')
    with pytest.raises(ValueError, match=r'gt_sets/train.txt.*empty'):
        nyud(tmp_path)


def test_list_names_a_missing_image(tmp_path):
    make_nyud(tmp_path)
    (tmp_path / 'images/0003.png').unlink()
    message = r"gt_sets/train.txt \(ann_file\) names 1 of 3.*'0003' no images/0003.png or .*remove"
    with pytest.raises(FileNotFoundError, match=message):
        nyud(tmp_path)


def test_missing_task_folder(tmp_path):
    make_nyud(tmp_path)
    for file in (tmp_path / 'edge').iterdir():
        file.unlink()
    (tmp_path / 'edge').rmdir()
    with pytest.raises(FileNotFoundError, match=r"tasks: 'edge'.*/edge.*out of `tasks`"):
        nyud(tmp_path)
    assert len(nyud(tmp_path, tasks=['semseg'])) == 3


def test_archive_of_another_format(tmp_path):
    """The old ASTMT archive has the same folders but .mat files."""
    make_nyud(tmp_path)
    for file in list((tmp_path / 'depth').iterdir()):
        file.rename(file.with_suffix('.mat'))
    with pytest.raises(ValueError, match=r"'depth'.*depth/\{id\}.npy.*0001.mat.*another archive"):
        nyud(tmp_path)


def test_unknown_task_names_the_nearest(tmp_path):
    with pytest.raises(ValueError, match=r"no labels of 'normal'. Did you mean 'normals'"):
        nyud(tmp_path, tasks=['normal'])


def test_misspelt_key_names_the_nearest(tmp_path):
    with pytest.raises(TypeError, match=r"'data_fractoin'. Did you mean 'data_fraction'"):
        nyud(tmp_path, data_fractoin=0.5)


@pytest.mark.parametrize('fraction', [0, 1.5])
def test_bad_fraction(tmp_path, fraction):
    with pytest.raises(ValueError, match=f'data_fraction={fraction}'):
        nyud(tmp_path, data_fraction=fraction)


# -- what is wrong with a file's content -----------------------------------------------------------


def truncate(path):
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def test_truncated_image(tmp_path):
    make_nyud(tmp_path)
    truncate(tmp_path / 'images/0001.png')
    with pytest.raises(ValueError, match=r"img_path.*'0001'.*images/0001.png.*download"):
        nyud(tmp_path)[0]


@pytest.mark.parametrize(
    ('task', 'file'),
    [
        ('semseg', 'segmentation/0001.png'),
        ('depth', 'depth/0001.npy'),
        ('normals', 'normals/0001.png'),
    ],
)
def test_truncated_label(tmp_path, task, file):
    make_nyud(tmp_path)
    truncate(tmp_path / file)
    with pytest.raises(ValueError, match=rf"label '{task}' of image '0001', .*{file}.*download"):
        nyud(tmp_path)[0]


def test_a_pickled_array_is_not_loaded(tmp_path):
    make_nyud(tmp_path)
    np.save(tmp_path / 'depth/0001.npy', np.array([dict(a=1)], dtype=object), allow_pickle=True)
    with pytest.raises(ValueError, match=r"label 'depth'.*depth/0001.npy"):
        nyud(tmp_path)[0]


def test_label_of_another_size(tmp_path):
    make_nyud(tmp_path)
    small = np.full((15, 20), 2, np.float32)
    save_array(tmp_path / 'depth/0001.npy', small)
    message = r"label 'depth'.*0001.npy.*\(15, 20\).*\(30, 40\).*images/0001.png.*resize=True"
    with pytest.raises(ValueError, match=message):
        nyud(tmp_path)[0]
    resizing = [LOAD[0], dict(type='LoadLabels', resize=True), dict(type='PackMultiTaskInputs')]
    depth = nyud(tmp_path, pipeline=resizing)[0]['data_samples'].gt.depth
    assert depth.shape == (1, *SIZE) and (depth == 2).all()


def test_class_id_above_the_classes(tmp_path):
    make_nyud(tmp_path)
    stored = np.ones(SIZE, np.uint8)
    stored[3, 5] = 41
    save_picture(tmp_path / 'segmentation/0001.png', stored)
    message = r"label 'semseg'.*segmentation/0001.png.*class id 40 at row 3, column 5.*40 classes"
    with pytest.raises(ValueError, match=message):
        nyud(tmp_path)[0]


def test_colour_picture_in_the_place_of_class_ids(tmp_path):
    make_nyud(tmp_path)
    save_picture(tmp_path / 'segmentation/0001.png', np.zeros((*SIZE, 3), np.uint8))
    with pytest.raises(ValueError, match=r"label 'semseg'.*3 channels.*ids, not colours"):
        nyud(tmp_path)[0]


@pytest.fixture
def fresh_warnings():
    warn_again()


@pytest.mark.usefixtures('fresh_warnings')
def test_depth_in_millimetres_warns_for_the_first_file(tmp_path):
    make_nyud(tmp_path)
    for name in ('0001', '0003'):
        save_array(tmp_path / f'depth/{name}.npy', np.full(SIZE, 2500, np.uint16))
    dataset = nyud(tmp_path)
    with pytest.warns(UserWarning, match=r'depth/0001.npy: the median depth is 2500 m.*by 1000'):
        dataset[0]
    dataset[0], dataset[1]  # a second warning would be an error


@pytest.mark.usefixtures('fresh_warnings')
def test_depth_that_is_not_finite_is_no_measurement(tmp_path):
    make_nyud(tmp_path)
    depth = np.full(SIZE, 3.0)
    depth[0, :3] = np.nan, np.inf, -1
    save_array(tmp_path / 'depth/0001.npy', depth)
    dataset = nyud(tmp_path)
    with pytest.warns(UserWarning, match=r'depth/0001.npy: 2 values are NaN or infinite'):
        label = dataset[0]['data_samples'].gt.depth
    assert (label[0, 0, :3] == 0).all() and (label[0, 0, 3:] == 3).all()
    dataset[0]


@pytest.mark.usefixtures('fresh_warnings')
def test_normals_that_are_not_finite_are_invalid(tmp_path):
    written = make_nyud(tmp_path, pictures=False)
    normals = written['0001']['normals'].copy()
    normals[5, 5, 1] = np.nan
    save_array(tmp_path / 'normals/0001.npy', normals)
    with pytest.warns(UserWarning, match=r'normals/0001.npy: 1 vectors'):
        label = nyud(tmp_path)[0]['data_samples'].gt.normals
    assert (label[:, 5, 5] == 0).all()


def test_normals_that_are_no_unit_vectors(tmp_path):
    written = make_nyud(tmp_path, pictures=False)
    save_array(tmp_path / 'normals/0001.npy', written['0001']['normals'] * 127)
    with pytest.raises(ValueError, match=r"label 'normals'.*median length 127.*\[-1, 1\]"):
        nyud(tmp_path)[0]


def test_a_new_data_set_is_two_tables(tmp_path):
    """The documented way to add one."""

    class Depths(MultiTaskDataset):
        METAINFO = dict(dataset='depths')
        IMAGE_FILES = ('images/{id}.png',)
        LABEL_FILES = dict(depth=(LabelPattern('depth/{id}.npy', read_depth_array),))

    make_nyud(tmp_path)
    dataset = Depths(data_root=str(tmp_path), ann_file='gt_sets/val.txt')
    assert dataset[0]['labels']['depth'].path.endswith('depth/0002.npy')
    assert issubclass(NYUDv2Dataset, MultiTaskDataset)
