"""InvPT's decoder at small size: shapes, errors, gradients, initial values, size of the whole."""

import pytest
import torch
from invpt_golden import model_config
from torch import Tensor

from mtl3d.models.decoders import InvPTDecoder
from mtl3d.models.layers.inverted_pyramid import InvertedPyramidStage
from mtl3d.registry import MODELS

TASKS = dict(semseg=5, normals=3, edge=1)


def tiny_decoder(**overrides: object) -> InvPTDecoder:
    """A decoder of a thousandth of the published width."""
    arguments = dict(in_channels=(6,) * 4, out_channels=TASKS, embed_dim=12, prediction_dim=4)
    return InvPTDecoder(**(arguments | overrides))


def features(batch: int = 2, grid: tuple[int, int] = (8, 12), **kwargs: object) -> list[Tensor]:
    return [torch.randn(batch, 6, *grid, **kwargs) for _ in range(4)]


def test_shapes_and_names():
    output = tiny_decoder()(features())
    assert {k: tuple(v.shape) for k, v in output.predictions.items()} == {
        task: (2, channels, 32, 48) for task, channels in TASKS.items()
    }
    assert list(output.auxiliary) == ['inter']
    assert {k: tuple(v.shape) for k, v in output.auxiliary['inter'].items()} == {
        task: (2, channels, 4, 6) for task, channels in TASKS.items()
    }


@pytest.mark.parametrize('grid', [(6, 8), (8, 10)])
def test_grid_that_cannot_be_halved_twice(grid):
    with pytest.raises(ValueError, match='divisible by 4'):
        tiny_decoder()(features(grid=grid))


def test_features_of_different_grids():
    mixed = features()
    mixed[0] = torch.randn(2, 6, 16, 24)
    with pytest.raises(ValueError, match=r'of one grid.*\(16, 24\)'):
        tiny_decoder()(mixed)


@pytest.mark.parametrize(
    ('wrong', 'message'),
    [
        (dict(in_channels=(6, 6)), 'needs 4 features'),
        (dict(prediction_dim=5), r'= 17 must be divisible by 4 \* num_heads = 8'),
    ],
)
def test_wrong_widths(wrong, message):
    with pytest.raises(ValueError, match=message):
        tiny_decoder(**wrong)


def weighted_sum(decoder: InvPTDecoder, inputs: list[Tensor], weights: list[Tensor]) -> Tensor:
    output = decoder(inputs)
    results = [*output.predictions.values(), *output.auxiliary['inter'].values()]
    return sum((r * w).sum() for r, w in zip(results, weights, strict=True))


def random_weights(batch: int) -> list[Tensor]:
    sizes = [(c, 16, 16) for c in TASKS.values()] + [(c, 2, 2) for c in TASKS.values()]
    return [torch.randn(batch, *size, dtype=torch.double) for size in sizes]


def test_unused_parameters_are_the_documented_ones():
    decoder = tiny_decoder()
    output = decoder(features(requires_grad=True))
    sum(p.square().sum() for p in output.predictions.values()).backward()
    without = {name for name, p in decoder.named_parameters() if p.grad is None}
    roots = ('skips.2.', 'stages.0.attention.fuse.', 'reductions.0.', 'unused_norm.')
    documented = {name for name, _ in decoder.named_parameters() if name.startswith(roots)}
    assert without == documented
    assert len(documented) == 2 + 2 + 2 * len(TASKS) + 2


def test_gradient_at_batch_one_equals_that_of_a_larger_batch():
    """In evaluation mode, images do not interact: a second one of weight zero changes nothing."""
    decoder = tiny_decoder().double().eval()
    two = features(grid=(4, 4), dtype=torch.double)
    weights = random_weights(2)
    for weight in weights:
        weight[1] = 0
    parameters = [p for p in decoder.parameters()]
    of_two = torch.autograd.grad(weighted_sum(decoder, two, weights), parameters, allow_unused=True)
    one, first = [feature[:1] for feature in two], [weight[:1] for weight in weights]
    of_one = torch.autograd.grad(weighted_sum(decoder, one, first), parameters, allow_unused=True)
    for a, b in zip(of_one, of_two, strict=True):
        assert (a is None and b is None) or torch.allclose(a, b, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize('training', [True, False])
@pytest.mark.parametrize('batch', [1, 2])
def test_gradient_is_the_numerical_one(batch, training):
    """Directional derivatives along random directions, for all parameters and inputs at once."""
    if batch == 1 and training:
        grid = (8, 8)  # BatchNorm needs more than one position
    else:
        grid = (4, 4)
    decoder = tiny_decoder().double().train(training)
    inputs = features(batch, grid=grid, dtype=torch.double, requires_grad=True)
    sizes = [(c, 4 * grid[0], 4 * grid[1]) for c in TASKS.values()]
    sizes += [(c, grid[0] // 2, grid[1] // 2) for c in TASKS.values()]
    weights = [torch.randn(batch, *size, dtype=torch.double) for size in sizes]
    queries = [p for name, p in decoder.named_parameters() if 'query_conv' in name]
    variables = [*queries, *inputs[:2], inputs[3]]
    gradients = torch.autograd.grad(weighted_sum(decoder, inputs, weights), variables)
    step = 1e-6
    for _ in range(3):
        directions = [torch.randn_like(v) for v in variables]
        expected = sum((g * d).sum() for g, d in zip(gradients, directions, strict=True))
        values = []
        with torch.no_grad():
            for shift in (step, -2 * step):
                for v, d in zip(variables, directions, strict=True):
                    v += shift * d
                values.append(weighted_sum(decoder, inputs, weights))
            for v, d in zip(variables, directions, strict=True):
                v += step * d
        slope = (values[0] - values[1]) / (2 * step)
        assert slope.item() == pytest.approx(expected.item(), rel=1e-4)


def test_initial_values():
    stage = InvertedPyramidStage(
        tasks=['depth'], in_channels=128, channels=64, pool=4, num_heads=2, mlp_ratio=4
    )
    for layer in (stage.attention.query, stage.attention.proj, stage.mlp.fc1, stage.mlp.fc2):
        assert layer.weight.std().item() == pytest.approx(0.02, rel=0.05)
        assert not layer.bias.any()
    up = stage.up['depth'][0].conv.weight  # PyTorch's own: uniform within 1 / sqrt(fan in)
    bound = (128 * 9) ** -0.5
    assert up.std().item() == pytest.approx(bound / 3**0.5, rel=0.05)
    projection = tiny_decoder(embed_dim=60).project['semseg'].conv
    assert projection.weight.std().item() == pytest.approx(0.02, rel=0.05)
    assert projection.bias.any()


def test_a_head_of_its_own_for_one_task():
    decoder = tiny_decoder(heads=dict(edge=dict(type='ConvHead', kernel_size=3)))
    kernels = {task: head.conv.kernel_size for task, head in decoder.heads.items()}
    assert kernels == dict(semseg=(1, 1), normals=(1, 1), edge=(3, 3))


PARAMETERS = {
    ('vitl', 'nyud'): (402_092_888, 304_133_120, 6_639_562),
    ('vitl', 'pascal'): (422_929_810, 304_149_504, 6_972_202),
    ('vitb', 'nyud'): (160_823_896, 86_422_272, 5_312_458),
    ('vitb', 'pascal'): (176_347_794, 86_434_560, 5_645_098),
}


@pytest.mark.parametrize(('backbone', 'dataset'), PARAMETERS)
def test_number_of_parameters_is_the_published_one(backbone, dataset):
    with torch.device('meta'):
        model = MODELS.build(model_config(backbone, dataset))

    def count(*roots: str) -> int:
        return sum(p.numel() for name, p in model.named_parameters() if name.startswith(roots))

    dead = count(
        'decoder.skips.2.', 'decoder.stages.0.attention.fuse.', 'decoder.reductions.0.',
        'decoder.unused_norm.',
    )  # fmt: skip
    assert (count(''), count('backbone.'), dead) == PARAMETERS[backbone, dataset]
