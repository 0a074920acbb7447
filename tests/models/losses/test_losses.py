"""Losses against golden numbers of the original programs, closed forms and slow references."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from mtl3d.models.losses import (
    balanced_bce,
    cross_entropy,
    l1,
    normal_centroids,
    normals_l1,
    quantize_depth,
    quantize_normals,
    two_class_logit,
)

DATA = Path(__file__).parents[2] / 'data' / 'losses_metrics'
SURVEY = np.load(DATA / 'survey.npz')
VALID = torch.ones(1, 1, 1, 1, dtype=torch.bool)


def _survey_loss(case: str, logits: torch.Tensor, label: torch.Tensor) -> torch.Tensor:
    if case.startswith(('semseg', 'human_parts')):
        return cross_entropy(logits, label)
    if case.startswith('edge'):
        return balanced_bce(logits, label, positive_weight=0.95)
    if case.startswith('sal'):
        return balanced_bce(logits, label, positive_weight=None, ignore_index=None)
    valid = (label != 255).any(1, keepdim=True)
    function = normals_l1 if case == 'normals_l1' else l1
    return function(logits, label, valid, reduction='element')


@pytest.mark.parametrize(
    'case',
    [
        'semseg40',
        'human_parts7_one_image_all_ignore',
        'edge_w095',
        'edge_w095_soft_labels',
        'edge_w095_large_logits',
        'sal_auto',
        'sal_auto_with_255_labels',
        'normals_l1',
        'normals_l1_no_normalize',
        'depth_l1',
    ],
)
def test_survey_golden(case: str) -> None:
    logits = torch.from_numpy(SURVEY[f'loss/{case}/pred']).requires_grad_()
    label = torch.from_numpy(SURVEY[f'loss/{case}/gt'])
    loss = _survey_loss(case, logits, label)
    assert loss.item() == pytest.approx(float(SURVEY[f'loss/{case}/value']), rel=2e-6)
    if f'loss/{case}/grad' in SURVEY:
        loss.backward()
        golden = torch.from_numpy(SURVEY[f'loss/{case}/grad'])
        torch.testing.assert_close(logits.grad, golden, rtol=1e-4, atol=1e-8)


def test_cross_entropy_averages_over_labelled_pixels() -> None:
    logits = torch.randn(2, 5, 3, 4, dtype=torch.float32)
    label = torch.randint(0, 5, (2, 1, 3, 4))
    label[0, 0, :2] = 255
    slow = [
        -math.log(logits[n, :, y, x].softmax(0)[label[n, 0, y, x]])
        for n in range(2)
        for y in range(3)
        for x in range(4)
        if label[n, 0, y, x] != 255
    ]
    assert cross_entropy(logits, label).item() == pytest.approx(np.mean(slow), rel=1e-5)


@pytest.mark.parametrize('bad', [5, 254, -1])
def test_cross_entropy_names_a_class_out_of_range(bad: int) -> None:
    label = torch.zeros(1, 1, 2, 2, dtype=torch.int64)
    label[0, 0, 1, 1] = bad
    with pytest.raises(ValueError, match=f'class id {bad}, but the prediction has 5 classes'):
        cross_entropy(torch.zeros(1, 5, 2, 2), label)


def test_two_classes_are_the_softmax_cross_entropy() -> None:
    logits, label = torch.randn(2, 2, 4, 5), torch.randint(0, 2, (2, 1, 4, 5))
    label[0, 0, 0] = 255
    valid = label != 255
    weight = ((label == 0).sum() / valid.sum()).item()
    pixel = F.cross_entropy(logits, label[:, 0], ignore_index=255, reduction='none')
    factor = torch.tensor([1 - weight, weight])[(label[:, 0] == 1).long()]
    expected = (factor * pixel)[valid[:, 0]].sum() / valid.sum()
    loss = balanced_bce(two_class_logit(logits), label.float(), positive_weight=None)
    torch.testing.assert_close(loss, expected)


def test_balanced_bce_of_one_pixel_each() -> None:
    logits = torch.tensor([2.0, -1.0, 7.0]).view(1, 1, 1, 3)
    label = torch.tensor([1.0, 0.0, 255.0]).view(1, 1, 1, 3)
    expected = (0.9 * math.log1p(math.exp(-2)) + 0.1 * math.log1p(math.exp(-1))) / 2
    assert balanced_bce(logits, label, positive_weight=0.9).item() == pytest.approx(expected)
    first = balanced_bce(logits[..., :1], label[..., :1], positive_weight=0.9)
    assert first.item() == pytest.approx(0.9 * math.log1p(math.exp(-2)))


@pytest.mark.parametrize('sign', [1.0, -1.0])
def test_balanced_bce_is_finite_for_huge_logits(sign: float) -> None:
    logits = torch.full((1, 1, 2, 2), sign * 1e4, requires_grad=True)
    loss = balanced_bce(logits, torch.tensor([[0.0, 1], [1, 0]])[None, None], positive_weight=0.95)
    loss.backward()
    assert loss.isfinite() and logits.grad.isfinite().all()


def test_batch_without_positives_costs_nothing_with_the_batch_weight() -> None:
    assert balanced_bce(torch.randn(1, 1, 3, 3), torch.zeros(1, 1, 3, 3), positive_weight=None) == 0


def test_balanced_bce_refuses_a_weight_above_one() -> None:
    with pytest.raises(ValueError, match='positive_weight=19'):
        balanced_bce(torch.zeros(1, 1, 1, 1), torch.zeros(1, 1, 1, 1), positive_weight=19)


def test_l1_reductions_differ_by_the_channels() -> None:
    prediction, label = torch.zeros(1, 3, 1, 2), torch.ones(1, 3, 1, 2)
    valid = torch.tensor([True, False]).view(1, 1, 1, 2)
    assert l1(prediction, label, valid, reduction='pixel') == 3
    assert l1(prediction, label, valid, reduction='element') == 1


def test_normals_l1_ignores_the_length_of_the_prediction() -> None:
    label = F.normalize(torch.randn(1, 3, 4, 4), dim=1)
    valid = torch.ones(1, 1, 4, 4, dtype=torch.bool)
    assert normals_l1(7 * label, label, valid).item() == pytest.approx(0, abs=1e-6)
    opposite = torch.tensor([0.0, 0, -3]).view(1, 3, 1, 1)
    up = torch.tensor([0.0, 0, 1]).view(1, 3, 1, 1)
    assert normals_l1(opposite, up, VALID) == 2


def test_zero_vector_has_a_bounded_gradient() -> None:
    prediction = torch.zeros(1, 3, 1, 1, requires_grad=True)
    normals_l1(prediction, torch.tensor([0.0, 0, 1]).view(1, 3, 1, 1), VALID).backward()
    assert prediction.grad.abs().max() <= 1e6


@pytest.mark.parametrize('kind', ['class', 'edge', 'saliency', 'depth', 'normals'])
def test_nothing_valid_is_a_zero_with_a_graph(kind: str) -> None:
    channels = dict(normals=3).get(kind, 5 if kind == 'class' else 1)
    logits = torch.randn(2, channels, 3, 3, requires_grad=True)
    nothing = torch.zeros(2, 1, 3, 3, dtype=torch.bool)
    ignored = torch.full((2, 1, 3, 3), 255.0)
    loss = {
        'class': lambda: cross_entropy(logits, ignored.long()),
        'edge': lambda: balanced_bce(logits, ignored, positive_weight=0.95),
        'saliency': lambda: balanced_bce(logits, ignored, positive_weight=None),
        'depth': lambda: l1(logits, torch.zeros(2, 1, 3, 3), nothing),
        'normals': lambda: normals_l1(logits, torch.zeros(2, 3, 3, 3), nothing),
    }[kind]()
    assert loss == 0
    loss.backward()
    assert (logits.grad == 0).all()


def test_half_precision_predictions_are_scored_in_float32() -> None:
    logits = (40 * torch.randn(1, 5, 8, 8)).half()
    label = torch.randint(0, 5, (1, 1, 8, 8))
    loss = cross_entropy(logits, label)
    assert loss.dtype == torch.float32
    assert loss == cross_entropy(logits.float(), label)
    binary = balanced_bce(logits[:, :1], (label > 2).float(), positive_weight=0.5)
    assert binary.dtype == torch.float32


def test_quantize_depth_at_the_ends_and_in_between() -> None:
    middle = math.sqrt(0.7 * 10)  # half-way in log depth
    depth = torch.tensor([0, 0.1, 0.7, middle * 0.999, middle * 1.001, 9.999, 80]).view(1, 1, 1, -1)
    assert quantize_depth(depth).flatten().tolist() == [255, 0, 0, 19, 20, 39, 39]


def test_quantize_normals_finds_the_nearest_centroid() -> None:
    centroids = normal_centroids('nyud') * torch.linspace(0.5, 1, 40).view(-1, 1)
    normals = F.normalize(torch.randn(2, 3, 6, 7), dim=1)
    normals[0, :, 0, 0] = 0
    slow = torch.cdist(normals.permute(0, 2, 3, 1).reshape(-1, 3), centroids).argmin(1)
    slow = slow.view(2, 1, 6, 7)
    slow[0, 0, 0, 0] = 255
    assert torch.equal(quantize_normals(normals, centroids), slow)


def test_quantize_normals_is_exact_under_autocast() -> None:
    normals = F.normalize(torch.randn(1, 3, 100, 100), dim=1)
    centroids = normal_centroids('nyud')
    with torch.autocast('cpu', torch.bfloat16):
        autocast = quantize_normals(normals, centroids)
    assert torch.equal(autocast, quantize_normals(normals, centroids))


@pytest.mark.parametrize('dataset', ['nyud', 'pascal'])
def test_centroids_are_forty_unit_vectors(dataset: str) -> None:
    centroids = normal_centroids(dataset)
    assert centroids.shape == (40, 3)
    torch.testing.assert_close(centroids.norm(dim=1), torch.ones(40))


def test_unknown_centroids_are_explained() -> None:
    with pytest.raises(ValueError, match="Did you mean 'nyud'"):
        normal_centroids('nyu')
