"""PSD: neighbourhood weights sum to one, and structures spread as far as their order."""

import pytest
import torch
import torch.nn.functional as F

from mtl3d.models.decoders import PSDDecoder
from mtl3d.models.decoders.psd import PatternStructureDiffusion, aggregate, local_affinity

TASKS = ('semseg', 'depth', 'normals')


def diffusion(order=4):
    return PatternStructureDiffusion(TASKS, 6, 4, 3, order)


def random_features():
    return {task: torch.randn(2, 6, 7, 9) for task in TASKS}


@pytest.mark.parametrize('window', [3, 5])
def test_weights_sum_to_one_inside_the_image(window):
    maps = torch.randn(2, 4, 7, 9)
    weights = local_affinity(maps, window)
    assert weights.shape == (2, window**2, 7, 9)
    torch.testing.assert_close(weights.sum(1), torch.ones(2, 7, 9))
    assert (weights[:, 0, 0] == 0).all() and (weights[:, 0, :, 0] == 0).all()


def test_weights_and_aggregation_against_a_loop():
    maps, values = torch.randn(1, 4, 5, 6).double(), torch.randn(1, 3, 5, 6).double()
    result = aggregate(local_affinity(maps, 3), values, 3)
    for row in range(5):
        for column in range(6):
            rows = range(max(row - 1, 0), min(row + 2, 5))
            around = [(r, c) for r in rows for c in range(max(column - 1, 0), min(column + 2, 6))]
            centre = maps[0, :, row, column]
            scores = torch.stack([centre @ maps[0, :, r, c] / 2 for r, c in around]).softmax(0)
            expected = sum(s * values[0, :, r, c] for s, (r, c) in zip(scores, around, strict=True))
            torch.testing.assert_close(result[0, :, row, column], expected)


def test_constant_features_are_a_fixed_point():
    weights = local_affinity(torch.randn(2, 4, 7, 9), 3)
    torch.testing.assert_close(
        aggregate(weights, torch.ones(2, 3, 7, 9), 3), torch.ones(2, 3, 7, 9)
    )


def test_starts_as_the_identity():
    features = random_features()
    for task, feature in diffusion()(features).items():
        assert torch.equal(feature, features[task])


def test_order_zero_leaves_the_feature():
    feature = torch.randn(2, 6, 7, 9)
    assert diffusion(order=0).intra(torch.rand(2, 9, 7, 9), feature) is feature


def test_a_point_spreads_one_pixel_per_round():
    structure = local_affinity(torch.randn(1, 4, 15, 15), 3)
    point = torch.zeros(1, 1, 15, 15)
    point[..., 7, 7] = 1
    for order in (1, 2, 3):
        reached = diffusion(order).intra(structure, point)[0, 0] > 0
        expected = F.max_pool2d(point, 2 * order + 1, stride=1, padding=order)[0, 0] > 0
        assert torch.equal(reached, expected)


def test_between_identical_tasks_the_transfer_changes_nothing():
    structure = local_affinity(torch.randn(2, 4, 7, 9), 3)
    module = diffusion(order=1)
    transferred = module.transferred(dict.fromkeys(TASKS, structure), 'depth')
    torch.testing.assert_close(transferred, structure)


def test_where_all_structures_match_the_transfer_is_their_mean():
    module = diffusion()
    module.matching_scale.data.zero_()
    module.matching_bias.data.fill_(50.0)
    structures = {task: local_affinity(torch.randn(2, 4, 7, 9), 3) for task in TASKS}
    mean = torch.stack([*structures.values()]).mean(0)
    torch.testing.assert_close(module.transferred(structures, 'depth'), mean)


def test_transfer_prefers_the_matching_structure():
    module = diffusion()
    module.matching_scale.data.fill_(50.0)
    module.matching_bias.data.fill_(-25.0)
    left, right = torch.zeros(2, 1, 9, 1, 1)
    left[:, 0], right[:, 8] = 1, 1
    structures = dict(semseg=left, depth=left, normals=right)
    transferred = module.transferred(structures, 'semseg')
    torch.testing.assert_close(transferred, left, atol=1e-6, rtol=0)


def test_decoder_predicts_twice_at_the_finest_grid_and_all_parameters_learn():
    decoder = PSDDecoder(
        in_channels=(6, 10), out_channels=dict(semseg=5, depth=1), channels=8, affinity_channels=4
    )
    for weight in (
        *decoder.diffusion.intra_weight.values(),
        *decoder.diffusion.inter_weight.values(),
    ):
        weight.data.fill_(0.1)  # at zero only these weights learn in the first iteration
    output = decoder([torch.randn(2, 6, 10, 14), torch.randn(2, 10, 5, 7)])
    assert output.predictions['semseg'].shape == (2, 5, 10, 14)
    assert output.auxiliary['initial']['depth'].shape == (2, 1, 10, 14)
    maps = [*output.predictions.values(), *output.auxiliary['initial'].values()]
    sum(x.square().mean() for x in maps).backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in decoder.parameters())


@pytest.mark.parametrize('wrong', [dict(window=4), dict(window=1), dict(order=-1)])
def test_wrong_settings_are_refused(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        PSDDecoder(in_channels=(4,), out_channels=dict(depth=1), **wrong)
