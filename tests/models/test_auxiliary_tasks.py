"""Deep supervision that predicts something else than the tasks, and a decoder's own losses."""

import pytest
import torch
from mmengine.logging import MessageHub
from toy import toy_batch, toy_model_cfg

from mtl3d.models.loss_terms import labelled_loss
from mtl3d.models.tasks import EdgeTask, QuantizedDepthTask, QuantizedNormalsTask
from mtl3d.registry import MODELS

AUXILIARY = dict(
    depth=dict(type='QuantizedDepthTask', num_bins=12, loss_weight=3.0),
    edge=dict(type='EdgeTask', num_channels=2, positive_weight=0.8, loss_weight=7.0),
)


def build(**overrides):
    torch.manual_seed(0)
    decoder = dict(type='ATRCDecoder', genotype='t_label', channels=4)
    return MODELS.build(
        toy_model_cfg(decoder=decoder, auxiliary_tasks=AUXILIARY, **overrides)
    ).eval()


def test_auxiliary_tasks_give_the_loss_of_auxiliary_predictions_only():
    model = build(auxiliary_weights=dict(regions=0.5))
    data = model.data_preprocessor(toy_batch(0, 1), True)
    losses = model(**data, mode='loss')
    output = model.decoder(model.extract_feat(data['inputs']))
    regions = output.auxiliary['regions']
    assert {task: maps.shape[1] for task, maps in regions.items()} == dict(
        semseg=5, depth=12, normals=3, edge=2
    )
    for name, task in (
        ('depth', QuantizedDepthTask(num_bins=12)),
        ('edge', EdgeTask(num_channels=2, positive_weight=0.8)),
    ):
        raw = labelled_loss(task.loss, name, regions[name], data['data_samples'])
        weight = 0.5 * AUXILIARY[name]['loss_weight']
        torch.testing.assert_close(losses[f'decoder.regions.loss_{name}'], weight * raw)
        logged = MessageHub.get_current_instance().get_scalar(f'train/decoder.regions.{name}')
        assert logged.current() == pytest.approx(raw.item(), rel=1e-6)
        own = labelled_loss(
            model.tasks[name].loss, name, output.predictions[name], data['data_samples']
        )
        expected = model.tasks[name].loss_weight * own
        torch.testing.assert_close(losses[f'decoder.loss_{name}'], expected)


def test_an_auxiliary_task_of_no_task_is_refused():
    with pytest.raises(ValueError, match="auxiliary_tasks: unknown task 'dept'.*'depth'"):
        MODELS.build(toy_model_cfg(auxiliary_tasks=dict(dept=dict(type='QuantizedDepthTask'))))


def test_a_decoder_that_cannot_use_them_says_so():
    with pytest.raises(TypeError, match="ToyDecoder has no argument 'auxiliary_channels'"):
        MODELS.build(toy_model_cfg(auxiliary_tasks=AUXILIARY))


def test_a_search_adds_its_own_loss_in_training_only():
    torch.manual_seed(0)
    model = MODELS.build(
        toy_model_cfg(decoder=dict(type='ATRCSearchDecoder', channels=4), regularizer=False)
    )
    data = model.data_preprocessor(toy_batch(0, 1), True)
    model.decoder.entropy_weight = -0.02
    losses = model.train()(**data, mode='loss')
    # Twelve pairs of five choices, and four of a task with itself, of four.
    torch.testing.assert_close(losses['decoder.loss_entropy'], torch.tensor(-0.02 * 1.5536497))
    total, _ = model.parse_losses(losses)
    torch.testing.assert_close(total, torch.stack(list(losses.values())).sum())
    assert 'decoder.loss_entropy' not in model.eval()(**data, mode='loss')


def test_the_tables_of_auxiliary_tasks_are_no_weights():
    model = build()
    assert not [name for name in model.state_dict() if 'auxiliary' in name]
    assert QuantizedNormalsTask().state_dict() == {}
