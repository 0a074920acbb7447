"""Predictions on disk: the published formats, byte by byte."""

import numpy as np
import pytest
import torch
from mmengine.structures import PixelData
from PIL import Image

from mtl3d.evaluation.predictions import (
    prediction_files,
    read_predictions,
    write_outputs,
    write_predictions,
)
from mtl3d.structures import MultiTaskDataSample


def make_sample(height=6, width=8, img_id='a.1'):
    g = torch.Generator().manual_seed(0)
    normals = torch.randn(3, height, width, generator=g)
    sample = MultiTaskDataSample(metainfo=dict(img_id=img_id))
    sample.pred = PixelData(
        semseg=torch.randint(0, 40, (1, height, width), generator=g),
        human_parts=torch.randint(0, 7, (1, height, width), generator=g),
        depth=torch.rand(1, height, width, generator=g) * 9,
        normals=torch.nn.functional.normalize(normals, dim=0),
        edge=torch.rand(1, height, width, generator=g),
        saliency=torch.rand(1, height, width, generator=g),
    )
    return sample


def test_round_trip_is_exact_up_to_the_formats_rounding(tmp_path):
    sample = make_sample()
    files = write_predictions(sample, tmp_path)
    back = read_predictions(tmp_path, 'a.1')
    assert sorted(f.relative_to(tmp_path).as_posix() for f in files) == [
        'depth/a.1.png', 'edge/a.1.png', 'human_parts/a.1.png', 'normals/a.1.png',
        'saliency/a.1.png', 'semseg/a.1.png',
    ]  # fmt: skip
    assert (back.depth - sample.pred.depth).abs().max() <= 0.0005 + 1e-6
    for task in ('semseg', 'human_parts'):
        assert torch.equal(back.get(task), sample.pred.get(task))
        assert back.get(task).dtype == sample.pred.get(task).dtype
    for task in ('edge', 'saliency'):
        difference = sample.pred.get(task) - back.get(task)
        assert 0 <= difference.min() and difference.max() < 1 / 255  # truncated, never rounded up
    cosine = (back.normals * sample.pred.normals).sum(0).clamp(-1, 1)
    assert torch.rad2deg(torch.acos(cosine)).max() < 1.0
    assert torch.allclose(back.normals.norm(dim=0), torch.ones(6, 8), atol=1e-5)


def test_arrays_are_lossless(tmp_path):
    sample = make_sample()
    write_predictions(sample, tmp_path, storage='npy')
    back = read_predictions(tmp_path, 'a.1')
    assert all(torch.equal(back.get(task), field) for task, field in sample.pred.items())
    assert all(back.get(task).dtype == field.dtype for task, field in sample.pred.items())


def test_stored_bits_are_handed_to_the_metrics_as_they_are(tmp_path):
    sample = make_sample()
    write_predictions(sample, tmp_path)
    back = read_predictions(tmp_path, 'a.1', stored=True)
    assert back.normals.dtype == back.edge.dtype == torch.uint8
    for task in ('normals', 'edge'):
        field = sample.pred.get(task).double()
        expected = (field + 1) / 2 * 255 if task == 'normals' else field * 255
        assert (back.get(task) - expected.floor()).abs().max() <= 1e-9
    assert back.semseg.dtype == torch.int64 and back.depth.dtype == torch.float32


def test_bytes_are_those_of_the_published_protocols(tmp_path):
    sample = MultiTaskDataSample(metainfo=dict(img_id='x'))
    sample.pred = PixelData(
        edge=torch.tensor([[[0.0, 0.999, 0.5, 1.0]]]),
        normals=torch.tensor([[1.0, 0, 0], [0, -1, 0], [0, 0, 1], [0.6, 0.8, 0]]).T[:, None],
        depth=torch.tensor([[[1.2344, 0.0, 70.0, 2.0]]]),
    )
    write_predictions(sample, tmp_path)
    stored = {t: np.array(Image.open(tmp_path / t / 'x.png')) for t in ('edge', 'normals', 'depth')}
    assert stored['edge'].tolist() == [[0, 254, 127, 255]]
    assert stored['normals'].tolist() == [
        [[255, 127, 127], [127, 0, 127], [127, 127, 255], [204, 229, 127]]
    ]
    assert stored['depth'].dtype == np.uint16 and stored['depth'].tolist() == [
        [1234, 0, 65535, 2000]
    ]
    back = read_predictions(tmp_path, 'x')
    assert back.depth.tolist() == [[pytest.approx([1.234, 0.0, 65.535, 2.0])]]


def test_each_output_has_its_folder_and_ids_may_have_folders(tmp_path):
    sample = make_sample(img_id='room/7')
    sample.pred_regularizer = PixelData(depth=torch.ones(1, 6, 8))
    write_outputs(sample, tmp_path)
    assert sorted(f.name for f in tmp_path.iterdir()) == ['heads', 'regularizer']
    assert read_predictions(tmp_path / 'regularizer', 'room/7').depth.eq(1).all()
    files = prediction_files(tmp_path / 'heads')
    assert files['semseg'] == files['depth'] == {'room/7'} and len(files) == 6


def test_bad_input_is_refused_with_its_name(tmp_path):
    sample = make_sample()
    with pytest.raises(ValueError, match="storage='mat'"):
        write_predictions(sample, tmp_path, storage='mat')
    with pytest.raises(ValueError, match="'pred_average'"):
        write_predictions(sample, tmp_path, field='pred_average')
    with pytest.raises(ValueError, match='img_id'):
        write_predictions(MultiTaskDataSample(pred=PixelData()), tmp_path)
    with pytest.raises(ValueError, match='not a relative path'):
        write_predictions(make_sample(img_id='../../etc/x'), tmp_path)
    with pytest.raises(FileNotFoundError, match='nowhere'):
        read_predictions(tmp_path / 'nowhere', 'x')


def test_files_of_another_format_or_size_are_refused(tmp_path):
    write_predictions(make_sample(), tmp_path)
    Image.new('RGB', (8, 6)).save(tmp_path / 'edge' / 'a.1.png')
    with pytest.raises(ValueError, match='edge'):
        read_predictions(tmp_path, 'a.1')
    Image.new('L', (9, 6)).save(tmp_path / 'edge' / 'a.1.png')
    with pytest.raises(ValueError, match='differ in size'):
        read_predictions(tmp_path, 'a.1')
