"""The model: composition, where weights are applied, and that inference knows no regularizer."""

import pytest
import torch
from mmengine.logging import MessageHub
from toy import TASKS_CFG, toy_batch, toy_model_cfg

from mtl3d.models.loss_terms import nearest_pixels
from mtl3d.registry import MODELS
from mtl3d.structures import MultiTaskDataSample


def build(**overrides):
    torch.manual_seed(0)
    return MODELS.build(toy_model_cfg(**overrides))


def run(model, mode, batch=None, training=True):
    data = model.data_preprocessor(batch or toy_batch(0, 1), training)
    return model(**data, mode=mode)


def test_every_loss_is_weighted_once_and_logged_unweighted():
    model = build(regularizer_weight=4.0, auxiliary_weights=dict(inter=0.5))
    losses = run(model, 'loss')
    hub = MessageHub.get_current_instance()
    factors = {'decoder': 1.0, 'decoder.inter': 0.5, 'regularizer': 4.0}
    assert len(losses) == len(factors) * len(TASKS_CFG)
    for source, factor in factors.items():
        for task, cfg in TASKS_CFG.items():
            raw = hub.get_scalar(f'train/{source}.{task}').current()
            expected = raw * factor * cfg['loss_weight']
            assert losses[f'{source}.loss_{task}'].item() == pytest.approx(expected, rel=1e-6)


def test_a_weight_of_no_deep_supervision_is_refused():
    with pytest.raises(ValueError, match="ToyDecoder has no deep supervision 'intr'.*'inter'"):
        run(build(auxiliary_weights=dict(intr=0.5)), 'loss')


def test_alpha_zero_gives_the_gradients_of_the_base_model():
    with_regularizer = build(regularizer_weight=0.0)
    base = build(regularizer=False)
    base.load_state_dict(with_regularizer.state_dict(), strict=False)
    for model in (with_regularizer, base):
        model.parse_losses(run(model, 'loss'))[0].backward()
    for (name, a), b in zip(
        [p for p in with_regularizer.named_parameters() if not p[0].startswith('regularizer')],
        base.parameters(),
        strict=True,
    ):
        assert torch.equal(a.grad, b.grad), name


def test_predict_does_not_touch_the_regularizer_and_is_bit_identical_without_it():
    model = build().eval()
    base = build(regularizer=False).eval()
    base.load_state_dict(model.state_dict(), strict=False)
    for a, b in zip(
        run(model, 'predict', training=False), run(base, 'predict', training=False), strict=True
    ):
        for task in TASKS_CFG:
            assert torch.equal(a.pred.get(task), b.pred.get(task))
        assert 'pred_regularizer' not in a
    run(model, 'tensor', training=False)
    assert model.regularizer.calls == 0


def test_outputs_all_gives_three_predictions_and_their_mean():
    model = build(outputs='all').eval()
    sample = run(model, 'predict', training=False)[0]
    expected = (sample.pred.edge + sample.pred_regularizer.edge) / 2
    assert torch.allclose(sample.pred_average.edge, expected)
    assert torch.allclose(sample.pred_average.normals.norm(dim=0), torch.ones(16, 24))
    assert sample.pred_average.semseg.dtype == torch.int64


def test_only_main_tasks_of_the_decoder_are_averaged():
    decoder = dict(type='PADNetDecoder', channels=8, main_tasks=['depth'])
    sample = run(build(decoder=decoder, outputs='all').eval(), 'predict', training=False)[0]
    assert set(sample.pred.keys()) == set(sample.pred_average.keys()) == {'depth'}
    assert set(sample.pred_regularizer.keys()) == set(TASKS_CFG)


@pytest.mark.parametrize('outputs', ['regularizer', 'average', 'all'])
def test_outputs_of_a_missing_regularizer_are_refused(outputs):
    with pytest.raises(ValueError, match=f"outputs='{outputs}' needs a regularizer"):
        build(regularizer=False, outputs=outputs)


def test_predictions_have_the_original_size_whatever_the_padding():
    model = build(data_preprocessor=dict(type='MultiTaskDataPreprocessor', size=(32, 40))).eval()
    sample = run(model, 'predict', training=False)[0]
    assert sample.pred.shape == (16, 24)
    assert sample.padding == (8, 8, 8, 8)


def test_a_sample_that_tells_no_size_was_not_padded():
    model, inputs = build().eval(), torch.rand(1, 3, 16, 24)
    told = MultiTaskDataSample(metainfo=dict(ori_shape=(16, 24), padding=(0, 0, 0, 0)))
    samples = [
        model(inputs, [sample], mode='predict')[0] for sample in (MultiTaskDataSample(), told)
    ]
    assert torch.equal(samples[0].pred.depth, samples[1].pred.depth)


def test_a_missing_label_costs_nothing_and_keeps_the_graph():
    model = build()
    batch = toy_batch(0, 1, tasks=['semseg'])
    losses = run(model, 'loss', batch)
    assert losses['decoder.loss_depth'].item() == 0
    model.parse_losses(losses)[0].backward()
    assert model.decoder.heads['depth'].weight.grad.abs().max() == 0
    assert model.decoder.heads['semseg'].weight.grad.abs().max() > 0


def test_images_without_a_label_do_not_change_the_loss_of_the_others():
    model = build(regularizer=False).eval()
    both = toy_batch(0, 1)
    both['data_samples'][1].gt.pop('depth')
    alone = run(model, 'loss', toy_batch(0))['decoder.loss_depth']
    assert torch.allclose(run(model, 'loss', both)['decoder.loss_depth'], alone, rtol=1e-5)


def test_a_nan_loss_stops_before_the_weights_change_and_names_the_task():
    model = build()
    losses = run(model, 'loss')
    losses['decoder.loss_depth'] = losses['decoder.loss_depth'] * float('nan')
    with pytest.raises(FloatingPointError, match='decoder.loss_depth = nan'):
        model.parse_losses(losses)


def test_no_tasks_is_an_error():
    with pytest.raises(ValueError, match='tasks is empty'):
        build(tasks={})


def test_a_misspelt_key_names_the_nearest():
    with pytest.raises(TypeError, match="no argument 'regulariser'.*'regularizer'"):
        build(regulariser=None)


def test_an_unknown_task_names_the_nearest():
    with pytest.raises(KeyError, match="'DepthsTask' is not in .*'DepthTask'"):
        build(tasks=dict(depth=dict(type='DepthsTask')))


def test_the_regularizers_loss_can_be_taken_at_its_own_size():
    full, small = build(), build(regularizer_loss_at='rendering')
    at_label, at_rendering = run(full, 'loss'), run(small, 'loss')
    for key in at_label:
        same = torch.equal(at_label[key], at_rendering[key])
        assert same == (not key.startswith('regularizer.')), key
    # Labels that are constant over the pixels of a rendered one are the same at both sizes.
    label = torch.arange(24).reshape(1, 1, 4, 6).repeat_interleave(4, -1).repeat_interleave(4, -2)
    assert torch.equal(nearest_pixels(label, (4, 6)), torch.arange(24).reshape(1, 1, 4, 6))
    with pytest.raises(ValueError, match="regularizer_loss_at='labels'"):
        build(regularizer_loss_at='labels')
