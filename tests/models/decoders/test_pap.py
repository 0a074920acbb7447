"""PAP: the affinities are stochastic matrices, and diffusion is what its formula says."""

import pytest
import torch

from mtl3d.models.decoders import PAPDecoder
from mtl3d.models.decoders.pap import PatternAffinitivePropagation, affinity, diffuse


def propagation(steps=3, rate=0.5):
    module = PatternAffinitivePropagation(3, 8, 4, steps, rate).double()
    torch.nn.init.normal_(module.mixing_logits)
    return module


def random_features():
    return torch.randn(3, 2, 8, 4, 5, dtype=torch.float64)


def test_rows_of_the_combined_affinities_sum_to_one():
    matrices = propagation().combined_affinities(random_features())
    assert matrices.shape == (3, 2, 20, 20)
    assert (matrices >= 0).all()
    torch.testing.assert_close(matrices.sum(-1), torch.ones_like(matrices[..., 0]))


def test_constant_features_are_a_fixed_point():
    features = random_features()[..., :1, :1].expand(3, 2, 8, 4, 5)
    torch.testing.assert_close(propagation()(features), features)


def test_rate_zero_is_the_identity_and_rate_one_the_pure_diffusion():
    tokens = torch.randn(2, 6, 3)
    matrix = affinity(torch.randn(2, 6, 4))
    assert torch.equal(diffuse(tokens, matrix, 3, torch.tensor(0.0)), tokens)
    spread = matrix @ (matrix @ (matrix @ tokens))
    torch.testing.assert_close(diffuse(tokens, matrix, 3, torch.tensor(1.0)), spread)


def test_one_step_on_its_own_affinity_is_plain_non_local_smoothing():
    module = propagation(steps=1, rate=0.25)
    module.mixing_logits.data = torch.eye(3, dtype=torch.float64) * 1000
    features = random_features()
    result = module(features)
    for task, feature in enumerate(features):
        keys = module.project[task](feature).flatten(2)
        weights = torch.einsum('ncp,ncq->npq', keys, keys).div(2).exp()  # sqrt(4) = 2
        weights = weights / weights.sum(-1, keepdim=True)
        smooth = torch.einsum('npq,ncq->ncp', weights, feature.flatten(2)).view_as(feature)
        torch.testing.assert_close(result[task], 0.25 * smooth + 0.75 * feature)


def test_each_target_has_its_own_combination():
    module = propagation(steps=1, rate=0.5)
    module.mixing_logits.data = torch.tensor([[0.0, 900, 0], [900, 0, 0], [0, 0, 900]]).double()
    features = random_features()
    combined = module.combined_affinities(features)
    own = affinity(module.project[1](features[1]).flatten(2).transpose(1, 2))
    torch.testing.assert_close(combined[0], own)


def test_decoder_predicts_twice_at_the_finest_grid_and_all_parameters_learn():
    decoder = PAPDecoder(
        in_channels=(6, 10),
        out_channels=dict(semseg=5, depth=1),
        channels=16,
        affinity_channels=4,
        reduction=4,
    )
    grids = []
    decoder.propagation.register_forward_pre_hook(lambda _, args: grids.append(args[0].shape))
    output = decoder([torch.randn(2, 6, 10, 14), torch.randn(2, 10, 5, 7)])
    assert grids == [(2, 2, 16, 3, 4)]  # tasks, images, channels, and a quarter of the grid
    assert output.predictions['semseg'].shape == (2, 5, 10, 14)
    assert output.auxiliary['initial']['depth'].shape == (2, 1, 10, 14)
    maps = [*output.predictions.values(), *output.auxiliary['initial'].values()]
    sum(x.square().mean() for x in maps).backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in decoder.parameters())


@pytest.mark.parametrize(
    'wrong', [dict(steps=0), dict(reduction=0), dict(initial_rate=1.0), dict(initial_rate=0.0)]
)
def test_wrong_settings_are_refused(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        PAPDecoder(in_channels=(4,), out_channels=dict(depth=1), **wrong)
