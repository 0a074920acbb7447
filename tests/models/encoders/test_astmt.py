"""ASTMT: the published parameter counts, one modulation per task, and the adversarial loss."""

import pytest
import torch

from mtl3d.models.backbones.timm_backbone import create_timm_model
from mtl3d.models.decoders import ASTMTDecoder
from mtl3d.models.decoders.astmt import ReverseGradient
from mtl3d.models.encoders import ASTMTEncoder, TaskFeatures
from mtl3d.models.encoders.astmt import seresnet_name
from mtl3d.models.layers.task_modulation import AdaptedConv
from mtl3d.registry import MODELS

PASCAL = dict(edge=1, semseg=21, human_parts=7, normals=3, saliency=1)
NYUD = dict(edge=1, semseg=41, normals=3, depth=1)
SPECIFIC = ('adapters', 'norms', 'gates', 'heads')


def count(module, names=('',)):
    named = module.named_parameters()
    return sum(p.numel() for name, p in named if any(part in name for part in names))


# Counted on instances of the published code: total, decoder, discriminator, task-specific.
@pytest.mark.parametrize(
    'depth, tasks, kernel, total, decoder_count, discriminator, specific',
    [
        (26, PASCAL, 1, 31_279_377, 6_720_300, 4_421, 13_454_220),
        (50, PASCAL, 1, 49_387_041, 6_720_300, 4_421, 22_022_300),
        (101, PASCAL, 1, 85_392_225, 6_720_300, 4_421, 39_087_580),
        (50, NYUD, 3, 45_018_606, 6_158_570, 39_172, 17_619_114),
    ],
)
def test_parameter_counts(depth, tasks, kernel, total, decoder_count, discriminator, specific):
    with torch.device('meta'):
        encoder = ASTMTEncoder(tasks=list(tasks), depth=depth)
        decoder = ASTMTDecoder(
            in_channels=encoder.out_channels, out_channels=tasks, adversarial_kernel=kernel
        )
    assert count(decoder.discriminator) == discriminator
    assert count(decoder) - discriminator == decoder_count
    assert count(encoder) + count(decoder) == total
    assert count(encoder, SPECIFIC) + count(decoder, SPECIFIC) == specific


@pytest.fixture(scope='module')
def encoder():
    torch.manual_seed(0)
    encoder = ASTMTEncoder(tasks=('edge', 'depth'), depth=26).eval()
    shapes = {seresnet_name(name): value.shape for name, value in encoder.state_dict().items()}
    shapes.pop(None)
    encoder.load_seresnet({name: 0.02 * torch.rand(shape) for name, shape in shapes.items()})
    return encoder


@pytest.mark.parametrize('output_stride', [8, 16, 32])
def test_strides(output_stride):
    with torch.device('meta'):
        encoder = ASTMTEncoder(tasks=('edge',), depth=26, output_stride=output_stride)
        fine, coarse = encoder(torch.empty(2, 3, 64, 96)).per_task['edge']
    assert fine.shape == (2, 256, 16, 24)
    assert coarse.shape == (2, 2048, 64 // output_stride, 96 // output_stride)
    # What a stage does not reduce, its convolutions make up for: the view is that of stride 32.
    assert {block.conv2.conv.dilation for block in encoder.stages[-1]} == {
        (32 // output_stride,) * 2
    }


def test_weights_of_timm_reach_every_task(encoder):
    state = encoder.state_dict()
    for name, value in state.items():
        if 'adapters' in name:
            assert not value.any()
        elif '.edge.' in name:
            assert torch.equal(value, state[name.replace('.edge.', '.depth.')])


def test_weights_of_timm_are_all_used():
    with torch.device('meta'):
        weights = create_timm_model('legacy_seresnet50', False, dict(num_classes=0)).state_dict()
        ours = ASTMTEncoder(tasks=('edge',), depth=50).state_dict()
    assert {seresnet_name(name) for name in ours} - {None} == set(weights)
    for name, value in ours.items():
        if seresnet_name(name):
            assert value.numel() == weights[seresnet_name(name)].numel()


def test_tasks_differ_by_their_modulation_alone(encoder):
    image = torch.randn(1, 3, 32, 32)
    with torch.no_grad():
        before = encoder(image).per_task
        assert torch.equal(before['edge'][1], before['depth'][1])  # both loaded from one network
        encoder.stages[0][0].conv2.adapters['depth'].weight.add_(0.1)
        after = encoder(image).per_task
    assert torch.equal(after['edge'][1], before['edge'][1])
    assert not torch.allclose(after['depth'][1], before['depth'][1])


def test_adapter_adds_a_parallel_convolution():
    layer = AdaptedConv(('edge',), 3, 4)
    image = torch.randn(1, 3, 5, 5)
    assert torch.equal(layer(image, 'edge'), layer.conv(image))
    layer.adapters['edge'].weight.data.fill_(1.0)
    torch.testing.assert_close(
        layer(image, 'edge') - layer.conv(image), image.sum(1, keepdim=True).expand(1, 4, 5, 5)
    )


def test_reversed_gradient():
    value = torch.randn(3, dtype=torch.float64, requires_grad=True)
    reversed_value = ReverseGradient.apply(value)
    assert torch.equal(reversed_value, value)
    reversed_value.square().sum().backward()
    torch.testing.assert_close(value.grad, -2 * value.detach())


def test_adversarial_loss_knows_the_tasks_apart():
    decoder = ASTMTDecoder(in_channels=(8, 16), out_channels=dict(edge=1, depth=1), channels=16)
    per_task = {
        task: (torch.randn(2, 8, 8, 8), torch.randn(2, 16, 4, 4)) for task in ('edge', 'depth')
    }
    output = decoder(TaskFeatures(per_task))
    # The loss of one image only: the other has no gradient and must not count.
    losses = {task: maps[0].square().mean() for task, maps in output.predictions.items()}
    term = decoder.extra_losses(output, task_losses=losses, tasks={}, samples=[])['adversarial']
    expected = 0.0
    for index, (task, feature) in enumerate(output.features.items()):
        (gradient,) = torch.autograd.grad(losses[task], feature, retain_graph=True)
        direction = torch.nn.functional.normalize(gradient[:1], dim=1, eps=0)
        logits = decoder.discriminator(direction)
        expected += -logits.log_softmax(1)[:, index].mean()
    torch.testing.assert_close(term, 0.01 * expected)
    term.backward()
    weights = [decoder.heads['edge'].conv.weight, *decoder.discriminator.parameters()]
    assert all(weight.grad.abs().sum() > 0 for weight in weights)  # the second derivative, too


def test_without_adversary():
    decoder = ASTMTDecoder(
        in_channels=(8, 16), out_channels=dict(edge=1), channels=16, adversarial_weight=0
    )
    assert decoder.discriminator is None
    assert decoder.extra_losses(None, task_losses={}, tasks={}, samples=[]) == {}


def test_decoder_refuses_shared_features_and_single_images():
    decoder = ASTMTDecoder(in_channels=(8, 16), out_channels=dict(edge=1), channels=16)
    maps = (torch.randn(1, 8, 8, 8), torch.randn(1, 16, 4, 4))
    with pytest.raises(ValueError, match='use ASTMTEncoder'):
        decoder(maps)
    with pytest.raises(ValueError, match='one image'):
        decoder(TaskFeatures(dict(edge=maps)))
    with pytest.raises(ValueError, match='in_channels'):
        ASTMTDecoder(in_channels=(8,), out_channels=dict(edge=1))


def test_there_is_nothing_to_regularize():
    cfg = dict(
        type='MultiTaskModel',
        backbone=dict(type='ASTMTEncoder', depth=26),
        decoder=dict(type='ASTMTDecoder'),
        tasks=dict(edge=dict(type='EdgeTask')),
        regularizer=dict(type='TriplaneRegularizer'),
    )
    with torch.device('meta'), pytest.raises(ValueError, match='nothing to regularize'):
        MODELS.build(cfg)


@pytest.mark.parametrize('wrong', [dict(depth=18), dict(output_stride=4), dict(pretrained=True)])
def test_encoder_refuses_what_does_not_exist(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        ASTMTEncoder(**{'tasks': ('edge',), 'depth': 26, **wrong})
