"""PASCAL-Context: derived edges, human parts, distilled labels."""

import numpy as np
import pytest
from archives import SIZE, make_pascal, pascal_objects
from scipy.io import savemat

from mtl3d.datasets.palette import voc_palette
from mtl3d.datasets.pascal_context import (
    CLASSES_WITH_NORMALS,
    HUMAN_PARTS,
    PART_IDS,
    PASCAL_CLASSES,
    edges_from_label_map,
    paint_human_parts,
)
from mtl3d.registry import DATASETS


def pascal(root, split='train', **kwargs):
    cfg = dict(
        type='PASCALContextDataset',
        data_root=str(root),
        ann_file=f'ImageSets/Context/{split}.txt',
        pipeline=[
            dict(type='LoadImage'),
            dict(type='LoadLabels', resize=True),
            dict(type='IgnoreBackgroundOnly'),
            dict(type='PackMultiTaskInputs'),
        ],
    )
    return DATASETS.build(cfg | kwargs)


@pytest.fixture
def archive(tmp_path):
    return tmp_path, make_pascal(tmp_path)


def test_all_tasks_decode_to_what_was_written(archive):
    root, written = archive
    dataset = pascal(root)
    assert len(dataset) == 2 and len(pascal(root, 'val')) == 1
    for index, img_id in enumerate(['2008_000001', '2008_000002']):
        gt, expected = dataset[index]['data_samples'].gt, written[img_id]
        assert set(gt.keys()) == {'semseg', 'human_parts', 'saliency', 'normals', 'edge'}
        np.testing.assert_array_equal(gt.semseg[0], expected['semseg'])
        np.testing.assert_array_equal(gt.saliency[0], expected['saliency'] / 255 > 0.5)
        np.testing.assert_array_equal(gt.edge[0], edges_from_label_map(expected['label_map']))
        keep = np.isin(expected['label_map'], CLASSES_WITH_NORMALS)
        normals = (2.0 * expected['normals'] / 255 - 1) * keep[..., None]
        np.testing.assert_allclose(gt.normals.permute(1, 2, 0), normals, atol=1e-6)
        assert (gt.normals[:, :10, :10] != 0).any() and (gt.normals[:, :10, 10:20] == 0).all()


def test_human_parts_are_painted_in_order(archive):
    root, _ = archive
    dataset = pascal(root)
    column = dataset[0]['data_samples'].gt.human_parts[0, :, 7].tolist()
    # head in rows 0-5, the upper arm over it in rows 4-9, an eye (head) in row 9, a foot in 25-29
    assert column == [1] * 4 + [3] * 5 + [1] + [0] * 15 + [6] * 5
    assert (dataset[1]['data_samples'].gt.human_parts == 255).all()


def test_no_object_means_not_annotated(archive):
    root, _ = archive
    savemat(root / 'human_parts/2008_000001.mat', dict(anno=dict(objects=[])))
    assert 'human_parts' not in pascal(root)[0]['data_samples'].gt
    assert paint_human_parts([]) is None


def test_unknown_part_is_named(archive):
    root, _ = archive
    objects = pascal_objects(person=True, size=SIZE)
    objects[0]['parts'][0]['part_name'] = 'tail'
    savemat(root / 'human_parts/2008_000001.mat', dict(anno=dict(objects=objects)))
    with pytest.raises(ValueError, match=r"human_parts.*2008_000001.mat.*'tail'"):
        pascal(root)[0]


def test_broken_mat_file_is_named(archive):
    root, _ = archive
    path = root / 'human_parts/2008_000001.mat'
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(ValueError, match=r"label 'human_parts' of image '2008_000001', .*\.mat"):
        pascal(root)[0]


def test_edges_of_a_step_are_one_line():
    label_map = np.ones((12, 16), np.uint16)
    label_map[:, 8:] = 7
    edges = edges_from_label_map(label_map)
    assert edges.dtype == np.float32
    np.testing.assert_array_equal(edges[2:-2].sum(axis=1), 1)
    assert edges[2:-2, 7:9].sum() == 8


def test_tables_have_the_published_sizes():
    assert len(PASCAL_CLASSES) == 21 and len(HUMAN_PARTS) == 7
    assert len(set(CLASSES_WITH_NORMALS)) == 170
    assert {284, 427, 440, 158} < set(CLASSES_WITH_NORMALS)
    assert not {360, 44, 189} & set(CLASSES_WITH_NORMALS)
    assert len(PART_IDS) == 24 and set(PART_IDS.values()) == set(range(1, 7))


def test_palette_is_vocs():
    colours = voc_palette(21)
    assert colours[:4] == [(0, 0, 0), (128, 0, 0), (0, 128, 0), (128, 128, 0)]
    assert colours[20] == (0, 64, 128) and colours[15] == (192, 128, 128)
    assert voc_palette(1, first=1) == [(128, 0, 0)]
