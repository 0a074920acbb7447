"""The command for folders of PNG predictions."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy.io import savemat

from mtl3d.evaluation.edges import evaluate_folder, main
from mtl3d.evaluation.functional import edges

SIZE = (40, 56)


@pytest.fixture
def folders(tmp_path):
    """Three NYUD-like edge images and predictions."""
    pred, gt = tmp_path / 'pred', tmp_path / 'gt'
    pred.mkdir()
    gt.mkdir()
    for index in range(3):
        rng = np.random.default_rng(index)
        label = np.zeros(SIZE, dtype=np.uint8)
        label[8:30, [10, 35 + index]] = label[[8, 30], 10 : 36 + index] = 255
        grey = np.clip(0.7 * np.roll(label, 1, axis=1) + rng.uniform(0, 90, SIZE), 0, 255)
        Image.fromarray(label).save(gt / f'{index}.png')
        Image.fromarray(grey.astype(np.uint8)).save(pred / f'{index}.png')
    return pred, gt


def run(capsys, pred, gt, *options, dataset='nyud'):
    status = main([str(pred), str(gt), '--dataset', dataset, *options])
    captured = capsys.readouterr()
    return status, captured.out, captured.err


def read(path):
    return np.array(Image.open(path))


def test_scores_and_json(folders, capsys, tmp_path):
    pred, gt = folders
    path = tmp_path / 'scores.json'
    status, out, _ = run(capsys, pred, gt, '--json', str(path), '--bootstrap', '20')
    assert status == 0
    counts = np.stack(
        [
            edges.evaluate_image(
                read(pred / f'{index}.png'),
                edges.ground_truth(read(gt / f'{index}.png'), 'edge_image'),
                max_dist=0.011,
                seed=edges.image_seed(str(index)),
            )
            for index in range(3)
        ]
    )
    expected = edges.summarize(counts)
    written = json.loads(path.read_text())
    assert written['scores'] == expected
    assert written['num_images'] == 3 and written['predictions'] == str(pred)
    assert written['settings']['max_dist'] == 0.011
    assert written['settings']['matcher'] == 'seism'
    low, high = written['intervals']['odsF']
    assert low <= expected['odsF'] <= high
    for text in (f'{expected["odsF"]:.4f}', 'seism', '0.011', '3 images'):
        assert text in out


@pytest.mark.parametrize('options', [dict(), dict(protocol='mti'), dict(matcher='max')])
def test_workers_change_no_digit(folders, options):
    one, three = (
        evaluate_folder(*folders, dataset='nyud', workers=workers, **options) for workers in (1, 3)
    )
    assert one == three


def test_pascal_label_maps(folders, capsys, tmp_path):
    pred, _ = folders
    label_maps, pictures = tmp_path / 'maps', tmp_path / 'pictures'
    label_maps.mkdir()
    pictures.mkdir()
    for index in range(3):
        label_map = np.full(SIZE, 7, dtype=np.uint16)
        label_map[8:30, 10 : 36 + index] = 400 + index
        savemat(label_maps / f'{index}.mat', dict(LabelMap=label_map))
        Image.fromarray(label_map).save(pictures / f'{index}.png')
        boundary = edges.ground_truth(label_map, 'label_map')
        Image.fromarray(np.uint8(200) * boundary).save(pred / f'{index}.png')
    status, out, _ = run(capsys, pred, label_maps, '--protocol', 'mti', dataset='pascal')
    assert status == 0 and '0.0075' in out
    from_mat, from_png = (
        evaluate_folder(pred, folder, dataset='pascal_context', protocol='mti')
        for folder in (label_maps, pictures)
    )
    assert from_mat == from_png
    assert from_mat.scores['odsF'] == 1


def test_255_is_a_class_of_a_label_map(folders, tmp_path):
    pred, _ = folders
    label_maps = tmp_path / 'maps'
    label_maps.mkdir()
    for index in range(3):
        label_map = np.full(SIZE, 255, dtype=np.uint16)
        label_map[8:30, 10:36] = 255 if index == 1 else 7
        savemat(label_maps / f'{index}.mat', dict(LabelMap=label_map))
    result = evaluate_folder(pred, label_maps, dataset='pascal_context')
    assert (result.num_images, result.unlabelled, result.empty) == (3, [], ['1'])


def test_bad_label_maps_are_explained(folders, capsys, tmp_path):
    pred, _ = folders
    label_maps = tmp_path / 'maps'
    label_maps.mkdir()
    for index in range(3):
        savemat(label_maps / f'{index}.mat', dict(LabelMap=np.ones(SIZE)))
    savemat(label_maps / '1.mat', dict(labels=np.ones(SIZE)))
    status, _, err = run(capsys, pred, label_maps, dataset='pascal')
    assert status == 1 and '1.mat' in err and "no variable 'LabelMap'" in err
    savemat(label_maps / '1.mat', dict(LabelMap=np.ones(SIZE)[1:]))
    status, _, err = run(capsys, pred, label_maps, dataset='pascal')
    assert status == 1 and "image '1'" in err and '(39, 56)' in err
    savemat(label_maps / '1.mat', dict(LabelMap=np.full(SIZE, 0.5)))
    status, _, err = run(capsys, pred, label_maps, dataset='pascal')
    assert status == 1 and '1.mat' in err and 'integers' in err


def test_image_list_allows_further_files(folders, capsys, tmp_path):
    pred, gt = folders
    ids = tmp_path / 'val.txt'
    ids.write_text('0\n2\n')
    (pred / '1.png').unlink()
    status, out, _ = run(capsys, pred, gt, '--image-list', str(ids))
    assert status == 0 and '2 images' in out
    (pred / '2.png').unlink()
    status, _, err = run(capsys, pred, gt, '--image-list', str(ids))
    assert status == 1 and "1 of 2 images have no prediction, for example '2'" in err


def truncate(path):
    path.write_bytes(path.read_bytes()[:-200])


def save_half(path):
    Image.fromarray(read(path)[:20]).save(path)


@pytest.mark.parametrize(
    ('spoil', 'messages'),
    [
        (lambda pred, gt: save_half(pred / '1.png'), ["image '1'", '(20, 56)', '(40, 56)']),
        (
            lambda pred, gt: Image.fromarray(np.full(SIZE, 999, np.uint16)).save(pred / '1.png'),
            ['1.png', '8 bits'],
        ),
        (
            lambda pred, gt: Image.fromarray(np.zeros((*SIZE, 3), np.uint8)).save(pred / '1.png'),
            ['1.png', 'one channel'],
        ),
        (lambda pred, gt: (pred / '1.png').write_bytes(b'no picture'), ['1.png', 'damaged']),
        (lambda pred, gt: truncate(pred / '1.png'), ['1.png', 'damaged']),
        (lambda pred, gt: truncate(gt / '1.png'), ['1.png', 'label']),
        (lambda pred, gt: (pred / '1.png').unlink(), ["no prediction, for example '1'"]),
        (lambda pred, gt: (gt / '1.png').unlink(), ["no ground truth, for example '1'"]),
        (lambda pred, gt: (gt / '1.png').write_bytes(b'no picture'), ['1.png', 'label']),
        (
            lambda pred, gt: Image.fromarray(np.arange(2240, dtype=np.uint8).reshape(SIZE)).save(
                gt / '1.png'
            ),
            ["image '1'", 'two values'],
        ),
        (
            lambda pred, gt: Image.fromarray(read(pred / '1.png')).save(pred / '1.jpg'),
            ['JPEG', '1.jpg', 'lossy'],
        ),
        (
            lambda pred, gt: Image.fromarray(read(pred / '1.png')).save(pred / '1.png', 'JPEG'),
            ['1.png', 'JPEG'],
        ),
        (lambda pred, gt: shutil.rmtree(pred), ['no such folder']),
        (
            lambda pred, gt: [path.unlink() for path in pred.iterdir()],
            ['holds no PNG'],
        ),
        (
            lambda pred, gt: [
                Image.fromarray(np.zeros(SIZE, np.uint8)).save(path) for path in gt.iterdir()
            ],
            ['no image has a boundary', '3 are empty'],
        ),
        (
            lambda pred, gt: [
                Image.fromarray(np.full(SIZE, 255, np.uint8)).save(path) for path in gt.iterdir()
            ],
            ['no image has a boundary', '3 are not annotated'],
        ),
    ],
)
def test_bad_folders_are_explained(folders, capsys, spoil, messages):
    spoil(*folders)
    status, out, err = run(capsys, *folders)
    assert status == 1 and out == ''
    assert 'Traceback' not in err
    for message in messages:
        assert message in err


@pytest.mark.parametrize('with_prediction', [True, False])
def test_images_without_annotation_are_skipped(folders, capsys, with_prediction):
    pred, gt = folders
    Image.fromarray(np.full(SIZE, 255, np.uint8)).save(gt / '1.png')
    if not with_prediction:  # the published code bases write none
        (pred / '1.png').unlink()
    status, out, err = run(capsys, pred, gt)
    assert status == 0
    assert '2 images' in out and '1 images not annotated, skipped, for example 1' in err


def test_an_image_without_boundaries_counts_its_false_alarms(folders, capsys):
    pred, gt = folders
    full = evaluate_folder(pred, gt, dataset='nyud')
    Image.fromarray(np.zeros(SIZE, np.uint8)).save(gt / '1.png')
    status, out, err = run(capsys, pred, gt)
    assert status == 0
    assert '3 images' in out and 'without any boundary' in err
    part = evaluate_folder(pred, gt, dataset='nyud')
    assert part.empty == ['1'] and part.scores['odsP'] < full.scores['odsP']


def test_unknown_names_are_refused(folders):
    with pytest.raises(ValueError, match="got 'nyu'"):
        evaluate_folder(*folders, dataset='nyu')
    with pytest.raises(ValueError, match='workers must be at least 1'):
        evaluate_folder(*folders, dataset='nyud', workers=0)
    with pytest.raises(FileNotFoundError, match='no such image list'):
        evaluate_folder(*folders, dataset='nyud', image_list=Path('nowhere.txt'))


def test_the_command_does_not_wait_for_torch():
    code = 'import sys, mtl3d.evaluation.edges; print({"torch", "mmengine"} & set(sys.modules))'
    done = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == 'set()'
