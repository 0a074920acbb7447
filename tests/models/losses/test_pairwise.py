"""Relations of pairs of pixels against closed forms, a double loop, and numeric derivatives."""

import pytest
import torch
import torch.nn.functional as F

from mtl3d.models.losses import pairwise_l1, sample_pairs
from mtl3d.structures import LABEL_SPECS

CLASSES = 4


def random_pairs(name, pairs=7):
    """Activated predictions and labels at both ends of pairs of two images, in float64."""
    spec = LABEL_SPECS[name]
    shape = (2, spec.channels, 2, pairs)
    if spec.kind == 'class':
        label = torch.randint(CLASSES, shape)
        return torch.randn(2, CLASSES, 2, pairs, dtype=torch.float64).softmax(1), label
    if spec.kind == 'binary':
        return torch.rand(shape, dtype=torch.float64), torch.randint(2, shape).double()
    values = torch.randn(2, *shape, dtype=torch.float64)
    return tuple(F.normalize(values, dim=2) if spec.is_direction else values.abs() + 0.5)


def by_hand(name, prediction, label):
    """The definition, one pair after the other."""
    kind, errors = LABEL_SPECS[name].kind, []
    for p, g in zip(prediction, label, strict=True):
        for pair in range(p.shape[-1]):
            (p_i, p_j), (g_i, g_j) = p[..., pair].T.tolist(), g[..., pair].T.tolist()
            if kind == 'continuous':
                if any(g_i) and any(g_j):
                    values = zip(p_i, p_j, g_i, g_j, strict=True)
                    errors.append(sum(abs((a - b) - (c - d)) for a, b, c, d in values))
            elif 255 not in g_i + g_j:
                if kind == 'binary':
                    p_i, p_j = [p_i[0], 1 - p_i[0]], [p_j[0], 1 - p_j[0]]
                same = sum(a * b for a, b in zip(p_i, p_j, strict=True))
                errors.append(1 - same if g_i == g_j else same)
    return sum(errors) / len(errors)


@pytest.mark.parametrize('name', LABEL_SPECS)
def test_is_the_definition_over_the_labelled_pairs(name):
    prediction, label = random_pairs(name)
    invalid = LABEL_SPECS[name].invalid_value
    label[0, :, 0, :3] = invalid
    label[1, :, 1, 2:5] = invalid
    value = pairwise_l1(prediction, label, LABEL_SPECS[name])
    assert value.dtype == torch.float64
    assert value.item() == pytest.approx(by_hand(name, prediction, label), rel=1e-12)


@pytest.mark.parametrize('name', LABEL_SPECS)
def test_a_perfect_prediction_costs_nothing(name):
    _, label = random_pairs(name)
    prediction = label.double()
    if LABEL_SPECS[name].kind == 'class':
        prediction = F.one_hot(label[:, 0], CLASSES).movedim(-1, 1).double()
    assert pairwise_l1(prediction, label, LABEL_SPECS[name]) == 0


def test_depth_does_not_see_an_offset_but_a_scale():
    _, depth = random_pairs('depth')
    spec = LABEL_SPECS['depth']
    assert pairwise_l1(depth + 3, depth, spec).item() == pytest.approx(0, abs=1e-14)
    differences = depth.diff(dim=2).abs().mean()
    torch.testing.assert_close(pairwise_l1(1.5 * depth, depth, spec), differences / 2)


def test_normals_of_a_plane_against_those_of_a_corner():
    z = torch.tensor([0.0, 0.0, 1.0])
    corner = torch.stack([torch.tensor([0.6, 0.0, 0.8]), torch.tensor([-0.6, 0.0, 0.8])], dim=1)
    plane = z[:, None].expand(3, 2)
    value = pairwise_l1(plane[None, ..., None], corner[None, ..., None], LABEL_SPECS['normals'])
    assert value.item() == pytest.approx(1.2)  # |0 - (0.6 - -0.6)| of x; y and z agree


def test_undecided_classes_agree_by_chance():
    label = torch.tensor([[0, 1, 2, 3], [0, 1, 2, 0]])[None, None]  # three same, one different
    even = torch.full((1, CLASSES, 2, 4), 1 / CLASSES)
    value = pairwise_l1(even, label, LABEL_SPECS['semseg'])
    assert value.item() == pytest.approx((3 * (1 - 1 / CLASSES) + 1 / CLASSES) / 4)


def test_two_classes_are_the_binary_case():
    prediction, label = random_pairs('edge')
    both = torch.cat([1 - prediction, prediction], dim=1)
    torch.testing.assert_close(
        pairwise_l1(prediction, label, LABEL_SPECS['edge']),
        pairwise_l1(both, label.long(), LABEL_SPECS['semseg']),
    )


@pytest.mark.parametrize('name', LABEL_SPECS)
def test_pairs_without_a_label_at_both_ends_have_no_gradient(name):
    spec = LABEL_SPECS[name]
    prediction, label = random_pairs(name)
    prediction.requires_grad_()
    label[:, :, 1, 4:] = spec.invalid_value
    pairwise_l1(prediction, label, spec).backward()
    assert (prediction.grad[..., 4:] == 0).all() and (prediction.grad[..., :4] != 0).any()

    nothing = pairwise_l1(prediction, torch.full_like(label, spec.invalid_value), spec)
    (gradient,) = torch.autograd.grad(nothing, prediction)
    assert nothing == 0 and (gradient == 0).all()


@pytest.mark.parametrize('name', LABEL_SPECS)
def test_gradient_through_the_sampled_positions(name):
    spec = LABEL_SPECS[name]
    label = random_pairs(name, pairs=6)[1]
    maps = torch.randn(2, random_pairs(name)[0].shape[1], 3, 4, dtype=torch.float64)

    def loss(maps):
        torch.manual_seed(3)
        values, labels = sample_pairs(maps, label, 20)
        if spec.kind == 'class':
            values = values.softmax(dim=1)
        return pairwise_l1(values.sigmoid() if spec.kind == 'binary' else values, labels, spec)

    assert torch.autograd.gradcheck(loss, maps.requires_grad_())


@pytest.mark.parametrize('size', [(4, 5), (8, 10), (11, 13), (3, 4)])
def test_sampled_values_are_those_of_the_resized_prediction(size):
    height, width = size
    logits = torch.randn(2, 3, 4, 5, dtype=torch.float64)
    # Labels that tell where they are, in which image.
    positions = torch.arange(2 * height * width).view(2, 1, height, width)
    values, sampled = sample_pairs(logits, positions, 400)
    assert values.shape == (2, 3, 2, 400) and sampled.shape == (2, 1, 2, 400)
    full = F.interpolate(logits, size=size, mode='bilinear', align_corners=False)
    assert (sampled // (height * width) == torch.tensor([0, 1]).view(2, 1, 1, 1)).all()
    expected = full.movedim(1, 0).flatten(1)[:, sampled[:, 0]].movedim(0, 1)
    torch.testing.assert_close(values, expected)


def test_pairs_are_uniform_and_the_images_and_ends_independent():
    position = torch.arange(6).view(1, 1, 2, 3).expand(2, 1, 2, 3)
    _, positions = sample_pairs(torch.zeros(2, 1, 2, 3), position, 6000)
    for index in ((0, 0), (1, 1)):
        counts = positions[index[0], 0, index[1]].bincount(minlength=6)
        assert counts.sub(1000).abs().max() < 150  # five standard deviations
    ends = [positions[0, 0, 0], positions[0, 0, 1], positions[1, 0, 0], positions[1, 0, 1]]
    for i, first in enumerate(ends):
        for second in ends[:i]:
            assert (first == second).float().mean().item() == pytest.approx(1 / 6, abs=0.025)


def test_classes_of_a_continuous_quantity_are_refused():
    label = torch.ones(1, 1, 2, 3)
    with pytest.raises(ValueError, match='40 channels, its label 1.*pair_weight=0'):
        pairwise_l1(torch.rand(1, 40, 2, 3), label, LABEL_SPECS['depth'])
