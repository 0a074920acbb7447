"""PAP: stochastic matrices of affinities, diffusion by its formula, and the pair-wise loss."""

import pytest
import torch
from mmengine.structures import PixelData
from toy import toy_batch, toy_model_cfg

from mtl3d.models.decoders import DecoderOutput, PAPDecoder
from mtl3d.models.decoders.pap import PatternAffinitivePropagation, affinity, diffuse
from mtl3d.models.tasks import DepthTask, EdgeTask, SemSegTask
from mtl3d.registry import MODELS
from mtl3d.structures import MultiTaskDataSample


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
    'wrong',
    [
        dict(steps=0),
        dict(reduction=0),
        dict(initial_rate=1.0),
        dict(initial_rate=0.0),
        dict(pair_weight=-0.1),
        dict(num_pairs=0),
    ],
)
def test_wrong_settings_are_refused(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        PAPDecoder(in_channels=(4,), out_channels=dict(depth=1), **wrong)


def pair_losses(output, tasks, samples, **settings):
    channels = {name: task.out_channels for name, task in tasks.items()}
    decoder = PAPDecoder(in_channels=(4,), out_channels=channels, **settings)
    return decoder.extra_losses(DecoderOutput(output), task_losses={}, tasks=tasks, samples=samples)


def test_pair_losses_of_maps_without_structure_have_their_expectation():
    """A quarter differs: the ends of a random pair do with probability 2 * 1/4 * 3/4."""
    quarter = torch.zeros(1, 8, 8)
    quarter[..., 6:] = 1
    gt = dict(depth=1 + 2 * quarter, semseg=quarter.long(), edge=quarter)
    samples = [MultiTaskDataSample(gt=PixelData(**gt)), MultiTaskDataSample(gt=PixelData())]
    tasks = dict(
        depth=DepthTask(loss_weight=3.0),
        semseg=SemSegTask(num_classes=5, loss_weight=2.0),
        edge=EdgeTask(loss_weight=50.0),
    )
    # The other image has no labels; whatever is predicted there does not matter.
    logits = {
        name: torch.cat(
            [torch.zeros(1, task.out_channels, 4, 4), torch.randn(1, task.out_channels, 4, 4)]
        )
        for name, task in tasks.items()
    }
    torch.manual_seed(0)
    losses = pair_losses(logits, tasks, samples, num_pairs=40_000)
    assert set(losses) == {'pair_depth', 'pair_semseg', 'pair_edge'}
    # Means of 2 m or 0 m; of 1/5 where the classes differ and 4/5 elsewhere; of 1/2 everywhere.
    for name, mean in dict(depth=0.375 * 2, semseg=0.375 / 5 + 0.625 * 4 / 5, edge=0.5).items():
        expected = 0.2 * tasks[name].loss_weight * mean
        assert losses[f'pair_{name}'].item() == pytest.approx(expected, rel=0.02)


def test_pair_loss_of_images_without_the_label_is_a_zero_that_keeps_the_graph():
    logits = torch.randn(2, 1, 4, 4, requires_grad=True)
    samples = [MultiTaskDataSample(gt=PixelData())] * 2
    (loss,) = pair_losses(dict(depth=logits), dict(depth=DepthTask()), samples).values()
    (gradient,) = torch.autograd.grad(loss, logits)
    assert loss == 0 and not gradient.any()


def test_model_adds_the_pair_losses_in_training_only():
    def losses(training=True, **settings):
        torch.manual_seed(0)
        decoder = dict(type='PAPDecoder', channels=8, **settings)
        model = MODELS.build(toy_model_cfg(regularizer=False, decoder=decoder)).train(training)
        data = model.data_preprocessor(toy_batch(0, 1), training)
        values = model(**data, mode='loss')
        if training:
            model.parse_losses(values)[0].backward()
        return {name: value.item() for name, value in values.items()}

    plain, default = losses(pair_weight=0), losses()
    pairs = {f'decoder.loss_pair_{task}' for task in ('semseg', 'depth', 'normals', 'edge')}
    assert set(default) - set(plain) == pairs and set(plain) < set(default)
    assert set(losses(training=False)) == set(plain)
    for name, value in losses(pair_weight=0.4).items():
        if name in pairs:
            assert value > 0 and value == pytest.approx(2 * default[name], rel=1e-5)
        else:  # nothing else changes
            assert value == plain[name]
