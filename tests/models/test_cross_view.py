"""Batches with second views: the loss term, its weight, padding, and what it costs."""

import numpy as np
import pytest
import torch
from mmengine.logging import MessageHub
from toy import TASKS_CFG, toy_batch, toy_model_cfg

from mtl3d.models.data_preprocessor import MultiTaskDataPreprocessor
from mtl3d.registry import MODELS

SMALL = dict(
    type='TriplaneRegularizer', plane_channels=4, encoder_channels=6, hidden_channels=5,
    render_size=(4, 6), num_samples=4,
)  # fmt: skip
INTRINSICS = np.array([[20.0, 0, 11.5], [0, 20, 7.5], [0, 0, 1]])


def build(regularizer=SMALL, **settings):
    torch.manual_seed(0)
    return MODELS.build({**toy_model_cfg(**settings), 'regularizer': regularizer})


def make_batch(second=(True, True), tasks=('depth',), pose=None, image=False):
    """Two images; those marked have a second view with labels of some tasks."""
    batch = toy_batch(0, 1)
    others = toy_batch(10, 11, tasks=tasks)
    for index, (sample, there) in enumerate(zip(batch['data_samples'], second, strict=True)):
        if there:
            sample.set_metainfo(
                dict(
                    intrinsics=INTRINSICS.copy(),
                    relative_pose=np.eye(4) if pose is None else pose,
                )
            )
            sample.second = others['data_samples'][index]
            sample.second.set_metainfo(dict(intrinsics=INTRINSICS.copy()))
            if image:
                sample.second.image = others['inputs'][index]
    return batch


def loss(model, batch):
    torch.manual_seed(1)
    return model(**model.data_preprocessor(batch, True), mode='loss')


def turned():
    angle = 0.2
    pose = np.eye(4)
    pose[:3, :3] = [
        [np.cos(angle), 0, np.sin(angle)], [0, 1, 0], [-np.sin(angle), 0, np.cos(angle)]
    ]  # fmt: skip
    pose[:3, 3] = 0.3, 0.1, -0.2
    return pose


def test_the_term_is_there_only_with_second_views_and_weighs_alpha():
    model = build(regularizer_weight=4.0)
    assert not any(key.startswith('cross_view') for key in loss(model, make_batch((False, False))))
    losses = loss(model, make_batch())
    hub = MessageHub.get_current_instance()
    for task, cfg in TASKS_CFG.items():
        raw = hub.get_scalar(f'train/cross_view.{task}').current()
        expected = 4.0 * cfg['loss_weight'] * raw
        assert losses[f'cross_view.loss_{task}'].item() == pytest.approx(expected, rel=1e-6)
    assert losses['cross_view.loss_depth'] > 0
    assert losses['cross_view.loss_semseg'] == 0  # the second views have no such label


def test_a_weight_of_its_own():
    batch = make_batch()
    four, one = build(regularizer_weight=4.0), build(regularizer_weight=4.0, cross_view_weight=1.0)
    a, b = loss(four, batch), loss(one, make_batch())
    assert torch.allclose(a['cross_view.loss_depth'], 4 * b['cross_view.loss_depth'])
    assert torch.allclose(a['regularizer.loss_depth'], b['regularizer.loss_depth'])


def test_the_identity_view_with_the_same_labels_has_the_regularizers_loss():
    model = build(dict(**SMALL, jitter=False))
    batch = make_batch()
    for sample in batch['data_samples']:
        sample.second.gt = sample.gt.clone()
    losses = loss(model, batch)
    for task in TASKS_CFG:
        assert torch.allclose(
            losses[f'cross_view.loss_{task}'], losses[f'regularizer.loss_{task}'], rtol=1e-4
        ), task


def test_images_without_a_second_view_do_not_change_the_term():
    """A batch that mixes both kinds: the volume of the right image is rendered."""
    settings = dict(**SMALL, jitter=False, dropout=0.0)
    model = build(settings)
    for norm in [m for m in model.modules() if isinstance(m, torch.nn.BatchNorm2d)]:
        norm.track_running_stats = False  # batch statistics are those of both images alike
    mixed = loss(model, make_batch((False, True), pose=turned()))
    both = make_batch(pose=turned())
    both['data_samples'][0].second.gt.depth = torch.zeros(1, 16, 24)  # no measurement
    expected = loss(model, both)
    assert mixed['cross_view.loss_depth'] > 0
    assert torch.allclose(mixed['cross_view.loss_depth'], expected['cross_view.loss_depth'])


def test_the_term_teaches_the_encoder_through_a_turned_camera():
    model = build()
    losses = loss(model, make_batch(pose=turned()))
    losses['cross_view.loss_depth'].backward()
    for part in (model.backbone, model.regularizer.encoder, model.regularizer.fields.densities):
        assert all(p.grad.abs().max() > 0 for p in part.parameters())
    assert all(p.grad is None for p in model.decoder.parameters())


def test_alpha_zero_gives_the_gradients_of_the_base_model():
    model, base = build(regularizer_weight=0.0), build(None)
    base.load_state_dict(model.state_dict(), strict=False)
    for m in (model, base):
        m.parse_losses(loss(m, make_batch(pose=turned())))[0].backward()
    shared = [p for p in model.named_parameters() if not p[0].startswith('regularizer')]
    for (name, a), b in zip(shared, base.parameters(), strict=True):
        assert torch.equal(a.grad, b.grad), name


class Counting(torch.nn.Module):
    """Counts the images that pass a module."""

    def __init__(self, module):
        super().__init__()
        self.module, self.images = module, 0
        self.out_channels = module.out_channels

    def forward(self, inputs):
        self.images += len(inputs)
        return self.module(inputs)


@pytest.mark.parametrize(('symmetric', 'images'), [(False, 2), (True, 4)])
def test_second_images_are_encoded_only_if_views_are_symmetric(symmetric, images):
    model = build(cross_view_symmetric=symmetric)
    model.backbone = Counting(model.backbone)
    losses = loss(model, make_batch(image=True, pose=turned()))
    assert model.backbone.images == images
    # The decoder's own loss sees the second views' labels only where they are encoded.
    assert losses['cross_view.loss_depth'] > 0
    assert (losses['cross_view.loss_semseg'] > 0) == symmetric


def test_symmetric_views_exchange_their_roles():
    """Handing a pair in the other order gives the same losses."""
    settings = dict(**SMALL, jitter=False, dropout=0.0)
    model = build(settings, cross_view_symmetric=True)
    forth = make_batch(image=True, pose=turned(), tasks=tuple(TASKS_CFG))
    back = make_batch(image=True, pose=turned(), tasks=tuple(TASKS_CFG))
    for index, sample in enumerate(back['data_samples']):
        first, second = sample, sample.second
        exchanged = second.clone()
        exchanged.pop('image')
        exchanged.set_metainfo(dict(relative_pose=np.linalg.inv(turned())))
        exchanged.second = first.clone()
        exchanged.second.pop('second')
        exchanged.second.image = back['inputs'][index]
        back['inputs'][index] = second.image
        back['data_samples'][index] = exchanged
    a, b = loss(model, forth), loss(model, back)
    assert a.keys() == b.keys()
    for key, value in a.items():
        assert torch.allclose(value, b[key], rtol=1e-4), key


def test_symmetry_without_images_says_what_to_set():
    with pytest.raises(ValueError, match=r"second view of '0' has no image.*second_image=True"):
        loss(build(cross_view_symmetric=True), make_batch())


def test_a_regularizer_without_a_volume_is_refused():
    heads = dict(type='AuxiliaryHeads', plane_channels=4, encoder_channels=6, hidden_channels=5)
    with pytest.raises(ValueError, match='AuxiliaryHeads cannot show a second view'):
        loss(build(heads), make_batch())


@pytest.mark.parametrize('where', ['first', 'second', 'pose'])
def test_views_without_cameras_are_named(where):
    batch = make_batch()
    sample = batch['data_samples'][1]
    if where == 'pose':
        sample.pop('relative_pose')
    else:
        (sample if where == 'first' else sample.second).pop('intrinsics')
    with pytest.raises(ValueError, match="the two views of '1' need intrinsics"):
        loss(build(), batch)


def test_prediction_ignores_second_views():
    model = build().eval()
    samples = model(**model.data_preprocessor(make_batch(), False), mode='predict')
    assert samples[0].pred.shape == (16, 24)


def test_padding_moves_cameras_labels_and_images_of_both_views():
    preprocessor = MultiTaskDataPreprocessor(size=(20, 30), mean=(0, 0, 0), std=(1, 1, 1))
    batch = make_batch(image=True)
    image = batch['data_samples'][0].second.image.clone()
    label = batch['data_samples'][0].second.gt.depth.clone()
    sample = preprocessor(batch, training=True)['data_samples'][0]
    for view in (sample, sample.second):
        np.testing.assert_allclose(view.intrinsics[:2, 2], INTRINSICS[:2, 2] + (3, 2))
    assert torch.equal(sample.second.gt.depth[:, 2:18, 3:27], label)
    assert sample.second.gt.depth.sum() == pytest.approx(label.sum().item(), rel=1e-5)
    assert torch.equal(sample.second.image[:, 2:18, 3:27], image.float())
    np.testing.assert_allclose(INTRINSICS[:2, 2], (11.5, 7.5))


def test_a_smaller_second_view_is_padded_and_a_larger_one_refused():
    model = build(data_preprocessor=dict(type='MultiTaskDataPreprocessor', size=(16, 24)))
    for size, there in (((12, 20), True), ((24, 30), False)):
        batch = make_batch()
        other = toy_batch(7, height=size[0], width=size[1], tasks=('depth',))['data_samples'][0]
        other.set_metainfo(dict(intrinsics=INTRINSICS))
        batch['data_samples'][0].second = other
        if there:
            padded = model.data_preprocessor(batch, True)['data_samples'][0].second
            np.testing.assert_allclose(padded.intrinsics[:2, 2], INTRINSICS[:2, 2] + 2)
            assert padded.gt.depth.shape == (1, 16, 24)
            assert loss(model, batch)['cross_view.loss_depth'] > 0
        else:
            with pytest.raises(ValueError, match='24 x 30 does not fit the model input of 16 x 24'):
                loss(model, batch)
