"""Context pooling blocks, their mixture in the search, and the fusion behind them."""

import math

import pytest
import torch
from torch import nn

from mtl3d.models.layers import CONTEXTS, ContextPooling, MixedContext, RelationalContext
from mtl3d.models.layers.context_attention import region_weights


def block(context):
    torch.manual_seed(0)
    return ContextPooling(channels=6, attention_channels=4, context=context)


def inputs(batch=2):
    torch.manual_seed(1)
    target, source = torch.randn(2, batch, 6, 5, 7).unbind()
    regions = [region_weights(torch.randn(batch, k, 5, 7)) for k in (3, 8)]
    return target, source, *regions


@pytest.mark.parametrize('context', CONTEXTS)
def test_only_the_regions_of_its_kind_matter(context):
    module = block(context).eval()
    target, source, of_target, of_source = inputs()
    result = module(target, source, of_target, of_source)
    assert result.shape == (2, 4, 5, 7)
    others = [region_weights(torch.randn(2, 2, 5, 7)) for _ in range(2)]
    same_with_other_target = torch.equal(module(target, source, others[0], of_source), result)
    same_with_other_source = torch.equal(module(target, source, of_target, others[1]), result)
    assert same_with_other_target == (context != 't_label')
    assert same_with_other_source == (context != 's_label')


def test_a_distant_pixel_matters_to_all_but_the_local_context():
    for context in CONTEXTS:
        module = block(context).eval()
        source = torch.randn(1, 6, 3, 20)
        regions = region_weights(torch.randn(1, 4, 3, 20))
        moved = source.clone()
        moved[..., -1] += 1
        target = torch.randn(1, 6, 3, 20)
        difference = module(target, source, regions, regions) - module(
            target, moved, regions, regions
        )
        assert (difference[..., 0].abs().max() > 0) == (context != 'local'), context


@pytest.mark.parametrize('context', CONTEXTS)
def test_gradients_of_a_single_image_are_right(context):
    """Attention hands transposed gradients back, which BatchNorm on a CPU would get wrong."""
    module = block(context).double().train()
    target, source, *regions = (tensor.double() for tensor in inputs(batch=1))
    source.requires_grad_()
    target.requires_grad_()
    projection = torch.randn(1, 4, 5, 7).double()

    def value():
        return (module(target, source, *regions) * projection).sum()

    value().backward()
    for tensor in (target, source):
        direction = torch.randn_like(tensor)
        with torch.no_grad():
            step = 1e-6
            tensor += step * direction
            up = value()
            tensor -= 2 * step * direction
            slope = (up - value()) / (2 * step)
            tensor += step * direction
        torch.testing.assert_close((tensor.grad * direction).sum(), slope, rtol=1e-5, atol=1e-7)


def test_an_unknown_context_is_named():
    with pytest.raises(ValueError, match="context='labels': valid are global, local"):
        block('labels')


def mixed(contexts=CONTEXTS, **options):
    return MixedContext(channels=6, attention_channels=4, contexts=contexts, **options)


def one_hot(index, length=5):
    return nn.functional.one_hot(torch.tensor(index), length).float()


def test_the_mixture_is_the_weighted_sum_of_the_candidates():
    module = mixed().eval()
    arguments = inputs()
    module.fixed_weights.copy_(torch.tensor([0.1, 0.2, 0.3, 0.0, 0.4]))
    expected = sum(
        weight * candidate(*arguments)
        for weight, candidate in zip((0.2, 0.3, 0.0, 0.4), module.candidates.values(), strict=True)
    )
    torch.testing.assert_close(module(*arguments), expected)


def test_evaluation_takes_the_best_and_no_context_adds_nothing():
    module = mixed().eval()
    arguments = inputs()
    module.architecture.data[3] = 0.01
    assert module.best == 't_label'
    assert torch.equal(module.mixture(), one_hot(3))
    torch.testing.assert_close(module(*arguments), module.candidates['t_label'](*arguments))
    module.architecture.data[0] = 0.02
    assert module.best == 'none'
    assert (module(*arguments) == 0).all()


def test_training_draws_a_soft_sample_that_reaches_the_architecture():
    module = mixed().train()
    module.temperature = 0.5
    first, second = module.mixture(), module.mixture()
    assert not torch.equal(first, second)
    torch.testing.assert_close(first.sum(), torch.tensor(1.0))
    module(*inputs()).square().sum().backward()
    assert (module.architecture.grad.abs() > 0).all()


def test_a_low_temperature_makes_the_sample_hard():
    module = mixed().train()
    module.temperature = 1e-3
    assert module.mixture().max() > 0.99


# With the other parameters equal, the gap of 0.3 is reached at these values of one of them.
@pytest.mark.parametrize(
    ('contexts', 'threshold'),
    [(CONTEXTS, math.log(22 / 7)), (CONTEXTS[:3], math.log(19 / 7))],
)
def test_a_decided_pair_is_frozen_for_good(contexts, threshold):
    module = mixed(contexts).train()
    module.architecture.data[2] = threshold - 1e-3
    module.mixture()
    assert not module.fixed_weights.any()
    module.architecture.data[2] = threshold + 1e-3
    module.eval().mixture()
    assert not module.fixed_weights.any()  # evaluation decides nothing
    chosen = one_hot(2, 1 + len(contexts))
    assert torch.equal(module.train().mixture(), chosen)
    module.architecture.data[0] = 10.0
    for training in (True, False):
        assert torch.equal(module.train(training).mixture(), chosen)
    assert module.best == 'none'  # the exported choice follows the parameters


def test_a_frozen_pair_survives_a_checkpoint():
    module = mixed().train()
    module.architecture.data[1] = 3.0
    module.mixture()
    again = mixed()
    again.load_state_dict(module.state_dict())
    assert torch.equal(again.eval().mixture(), one_hot(1))


def test_entropy_of_an_undecided_pair_is_that_of_a_fair_choice():
    assert mixed().entropy().item() == pytest.approx(math.log(5))
    certain = mixed()
    certain.architecture.data[1] = 100.0
    assert certain.entropy().item() == pytest.approx(0, abs=1e-6)


def test_values_of_candidates_have_no_learnt_scale():
    assert mixed().candidates['global'].value.norm.weight is None
    assert block('global').value.norm.weight is not None


def relational(**options):
    contexts = dict(a=dict(a=block('local'), b=block('t_label')), b={})
    torch.manual_seed(2)
    return RelationalContext(contexts, channels=6, attention_channels=4, **options)


def test_a_task_begins_on_its_own():
    module = relational().eval()
    features = dict(a=torch.randn(2, 6, 5, 7), b=torch.randn(2, 6, 5, 7))
    regions = dict(a=region_weights(torch.randn(2, 3, 5, 7)))
    before = module(features, regions)
    other = module(features | dict(b=torch.randn(2, 6, 5, 7)), regions)
    assert torch.equal(before['a'], other['a'])
    module.project['a'].norm.weight.data.fill_(1.0)
    assert not torch.equal(module(features, regions)['a'], before['a'])


def test_a_task_without_sources_has_no_projection():
    module = relational()
    assert list(module.project) == ['a']
    assert module.fuse['b'].conv.in_channels == 6 and module.fuse['a'].conv.in_channels == 12


def test_dropout_drops_whole_channels_in_training_only():
    module = relational(dropout=0.5).train()
    features = dict(a=torch.randn(2, 6, 5, 7), b=torch.randn(2, 6, 5, 7))
    regions = dict(a=region_weights(torch.randn(2, 3, 5, 7)))
    dropped = (module(features, regions)['b'] == 0).all(dim=(2, 3))
    assert dropped.any() and not dropped.all()
    kept = (module.eval()(features, regions)['b'] == 0).all(dim=(2, 3))
    assert not kept.any()
