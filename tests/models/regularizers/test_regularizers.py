"""The regularizer as a module, and in the model: training knows it, inference does not."""

import pytest
import torch
from toy import TASKS_CFG, toy_batch, toy_model_cfg

from mtl3d.registry import MODELS

CHANNELS = dict(semseg=5, depth=1, normals=3, edge=1)
SMALL = dict(
    type='TriplaneRegularizer', plane_channels=4, encoder_channels=6, hidden_channels=5,
    render_size=(3, 5), num_samples=4,
)  # fmt: skip
HEADS = dict(type='AuxiliaryHeads', plane_channels=4, encoder_channels=6, hidden_channels=5)


def build(cfg=SMALL, in_channels=(8, 16), **settings):
    torch.manual_seed(0)
    parts = dict(in_channels=in_channels, out_channels=CHANNELS)
    return MODELS.build({**cfg, **parts, **settings})


def features():
    generator = torch.Generator().manual_seed(1)
    return [
        torch.randn(2, 8, 6, 10, generator=generator, requires_grad=True),
        torch.randn(2, 16, 3, 5, generator=generator, requires_grad=True),
    ]


def build_model(regularizer=SMALL, **settings):
    torch.manual_seed(0)
    return MODELS.build(toy_model_cfg(**settings) | dict(regularizer=regularizer))


def run(model, mode):
    return model(**model.data_preprocessor(toy_batch(0, 1), model.training), mode=mode)


@pytest.mark.parametrize(('cfg', 'size'), [(SMALL, (3, 5)), (HEADS, (6, 10))])
def test_every_task_is_predicted_and_every_parameter_learns(cfg, size):
    module = build(cfg)
    outputs = module(features())
    assert {k: v.shape for k, v in outputs.items()} == {
        k: (2, c, *size) for k, c in CHANNELS.items()
    }
    sum((v * torch.randn(v.shape)).sum() for v in outputs.values()).backward()
    for name, parameter in module.named_parameters():
        assert parameter.grad.abs().max() > 0, name


def test_the_defaults_are_the_papers():
    module = MODELS.build(
        dict(type='TriplaneRegularizer', in_channels=[8], out_channels=dict(depth=1))
    )
    assert (module.render_size, module.num_samples) == ((56, 72), 48)
    assert module.fields.tasks['depth'].hidden.weight.shape == (64, 64)
    assert list(module.fields.densities) == ['shared']
    assert module.encoder.layers[-3].out_channels == 3 * 64
    assert [m.p for m in module.modules() if isinstance(m, torch.nn.Dropout)] == [0.15]


@pytest.mark.parametrize('cfg', [SMALL, HEADS])
def test_a_subset_of_tasks_is_rendered(cfg):
    module = build(cfg, tasks=['normals', 'depth'])
    assert list(module(features())) == ['depth', 'normals']
    with pytest.raises(ValueError, match=r'tasks=\[\]'):
        build(cfg, tasks=[])
    with pytest.raises(ValueError, match="unknown task 'depht'. Did you mean 'depth'"):
        build(cfg, tasks=['depht'])


@pytest.mark.parametrize('cfg', [SMALL, HEADS])
def test_one_feature_can_be_chosen(cfg):
    given = features()
    sum(v.sum() for v in build(cfg, features=-1)(given).values()).backward()
    assert given[0].grad is None and given[1].grad is not None
    with pytest.raises(ValueError, match='features=2'):
        build(cfg, features=2)


@pytest.mark.parametrize('cfg', [SMALL, HEADS])
def test_stop_gradient_spares_the_shared_encoder(cfg):
    given = features()
    sum(v.sum() for v in build(cfg, stop_gradient=True)(given).values()).backward()
    assert all(f.grad is None for f in given)


def test_density_per_task_gives_each_task_a_geometry():
    module = build(density='per_task')
    assert list(module.fields.densities) == list(CHANNELS)
    assert module.render(module.planes(features())).opacity.shape == (2, 4, 3, 5)


def test_shared_density_ties_the_tasks():
    """Raising the one density hides what lies behind, in every task."""
    module = build(jitter=False).eval()
    with torch.no_grad():
        module.fields.densities['shared'].read_out.bias.fill_(1e4)
        outputs = module(features())
        planes = module.planes(features())
        near = module.render(planes).values
        # Nothing but the first sample counts, so what the planes hold at the far end does not.
        planes.xz[:, :, -1], planes.yz[..., -1] = 9.0, -9.0
        far = module.render(planes).values
    for task, a, b in zip(CHANNELS, near, far, strict=True):
        assert torch.equal(a, b), task
        assert torch.equal(a, outputs[task])


def test_jitter_is_for_training_only():
    module = build(dropout=0.0)
    assert not torch.equal(module(features())['depth'], module(features())['depth'])
    module.eval()
    assert torch.equal(module(features())['depth'], module(features())['depth'])
    module = build(dropout=0.0, jitter=False)
    assert torch.equal(module(features())['depth'], module(features())['depth'])


def test_normalized_weights_render_a_constant_field_as_that_constant():
    module = build(normalize_weights=True)
    with torch.no_grad():
        module.fields.tasks['depth'].read_out.weight.zero_()
        module.fields.tasks['depth'].read_out.bias.fill_(3.0)
    depth = module(features())['depth']
    assert torch.allclose(depth, torch.full_like(depth, 3.0))


def test_planes_may_have_another_size_than_the_rendering():
    module = build(plane_size=(4, 7), render_size=(6, 2))
    assert module.planes(features()).xz.shape == (2, 4, 4, 7)
    assert module(features())['semseg'].shape == (2, 5, 6, 2)


def test_an_upsampler_starts_as_bilinear_interpolation_and_learns():
    upsampler = dict(type='RenderingUpsampler', scale=3, in_channels=4, hidden_channels=4)
    module = build(upsampler=upsampler, dropout=0.0, jitter=False)
    outputs = module(features())
    assert {k: v.shape for k, v in outputs.items()} == {
        k: (2, c, 9, 15) for k, c in CHANNELS.items()
    }
    plain = dict(
        zip(module.fields.tasks, module.render(module.planes(features())).values, strict=True)
    )
    enlarged = torch.nn.functional.interpolate(plain['depth'], (9, 15), mode='bilinear')
    assert torch.allclose(outputs['depth'], enlarged, atol=1e-6)
    torch.nn.init.normal_(module.upsampler.heads['depth'].weight)
    module(features())['depth'].square().sum().backward()
    assert module.fields.tasks['features'].read_out.weight.grad.abs().max() > 0
    with pytest.raises(ValueError, match='scale=0'):
        build(upsampler=dict(type='RenderingUpsampler', scale=0))


@pytest.mark.parametrize(
    ('setting', 'message'),
    [
        (dict(density='each'), "density='each': valid are shared, per_task"),
        (dict(backend='cuda'), "backend='cuda': valid are auto"),
        (dict(padding_mode='mirror'), "padding_mode='mirror': valid are zeros, border"),
        (dict(num_samples=0), 'num_samples=0'),
        (dict(render_size=(0, 4)), r'render_size=\(0, 4\)'),
        (dict(plane_size=(4, -1)), r'plane_size=\(4, -1\)'),
    ],
)
def test_bad_settings_are_refused(setting, message):
    with pytest.raises(ValueError, match=message):
        build(**setting)


def test_auxiliary_heads_know_no_other_view():
    with pytest.raises(ValueError, match='no volume'):
        build(HEADS)(features(), cameras=object())


@pytest.mark.parametrize('cfg', [SMALL, HEADS])
def test_inference_is_bit_identical_without_it_and_never_calls_it(cfg, monkeypatch):
    model = build_model(cfg)
    weights = {k: v for k, v in model.state_dict().items() if not k.startswith('regularizer.')}
    assert len(weights) < len(model.state_dict())
    base = build_model(None)
    base.load_state_dict(weights)  # strict: nothing but the regularizer's weights is gone

    def forbidden(*_, **__):
        raise AssertionError('the regularizer ran')

    monkeypatch.setattr(model.regularizer, 'forward', forbidden)
    for a, b in zip(run(model.eval(), 'predict'), run(base.eval(), 'predict'), strict=True):
        assert all(torch.equal(a.pred.get(task), b.pred.get(task)) for task in TASKS_CFG)
    run(model, 'tensor')
    with pytest.raises(AssertionError, match='the regularizer ran'):
        run(model.train(), 'loss')


@pytest.mark.parametrize('cfg', [SMALL, HEADS])
def test_alpha_zero_gives_the_base_gradients_exactly(cfg):
    model, base = build_model(cfg, regularizer_weight=0.0), build_model(None)
    base.load_state_dict(
        {k: v for k, v in model.state_dict().items() if not k.startswith('regularizer.')}
    )
    for each in (model, base):
        each.parse_losses(run(each, 'loss'))[0].backward()
    gradients = {name: p.grad for name, p in model.named_parameters()}
    for name, parameter in base.named_parameters():
        assert torch.equal(gradients[name], parameter.grad), name


def test_the_regularizer_reaches_the_shared_encoder():
    gradients = []
    for weight in (0.0, 4.0):
        model = build_model(regularizer_weight=weight)
        model.parse_losses(run(model, 'loss'))[0].backward()
        gradients.append(model.backbone.conv.weight.grad)
    assert not torch.allclose(*gradients)


def test_rendering_is_float32_under_autocast():
    module = build(dropout=0.0, jitter=False)
    with torch.autocast('cpu', dtype=torch.bfloat16):
        planes = module.planes(features())
        rendering = module.render(planes)
    assert planes.xy.dtype == torch.bfloat16
    expected = module.render(type(planes)(*(p.float() for p in planes)))
    for actual, value in zip(rendering.values, expected.values, strict=True):
        assert actual.dtype == torch.float32
        assert torch.equal(actual, value)
