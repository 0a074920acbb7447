"""The hook draws, and changes nothing else."""

import random

import numpy as np
import pytest
import torch
from mmengine.evaluator import BaseMetric
from mmengine.hooks import Hook
from mmengine.runner import Runner
from mmengine.visualization import BaseVisBackend
from torch.utils.data import Dataset
from toy import toy_model_cfg, toy_sample

from mtl3d.registry import DATASETS, HOOKS, METRICS, MODELS, VISBACKENDS
from mtl3d.utils.image_io import read_stored
from mtl3d.visualization.hook import MultiTaskVisualizationHook, predict_everything


@DATASETS.register_module()
class NoisyToyDataset(Dataset):
    """Draws from every random generator when an item is read."""

    metainfo = dict(classes=dict(semseg=tuple('abcde')))

    def __len__(self):
        return 5

    def __getitem__(self, index):
        random.random(), np.random.random(), torch.rand(1)  # noqa: NPY002
        return toy_sample(index)


@METRICS.register_module()
class DepthSum(BaseMetric):
    """A fingerprint of all predictions."""

    def process(self, data_batch, data_samples):
        self.results += [sample['pred']['depth'].double().sum().item() for sample in data_samples]

    def compute_metrics(self, results):
        return dict(depth_sum=sum(results), count=len(results))


@VISBACKENDS.register_module()
class MemoryVisBackend(BaseVisBackend):
    """Remembers the names and steps of images, in the place of TensorBoard."""

    seen: dict[str, list[int]] = {}

    def _init_env(self):
        pass

    @property
    def experiment(self):
        return self

    def add_image(self, name, image, step=0, **kwargs):
        assert image.dtype == np.uint8 and image.shape[2] == 3
        self.seen.setdefault(name, []).append(step)


@HOOKS.register_module()
class RecordStates(Hook):
    """Remembers what the validation must not change."""

    def __init__(self):
        self.seen = []

    def after_val_epoch(self, runner, metrics=None):
        random_state = (torch.get_rng_state(), np.random.get_state()[1], random.getstate())  # noqa: NPY002
        self.seen.append((metrics, random_state, runner.model.training))


def run(work_dir, *hooks, regularizer=True, extra=(), test=False):
    loader = dict(
        batch_size=2,
        num_workers=0,
        dataset=dict(type='NoisyToyDataset'),
        collate_fn=dict(type='pseudo_collate'),
        sampler=dict(type='DefaultSampler', shuffle=False),
    )
    runner = Runner(
        model=toy_model_cfg(regularizer, backbone=dict(type='ToyBackbone', dropout=0.5)),
        work_dir=str(work_dir),
        train_dataloader={**loader, 'sampler': dict(type='InfiniteSampler', shuffle=True)},
        val_dataloader=loader,
        test_dataloader=loader,
        train_cfg=dict(by_epoch=False, max_iters=4, val_interval=2),
        val_cfg=dict(),
        test_cfg=dict(),
        val_evaluator=dict(type='DepthSum'),
        test_evaluator=dict(type='DepthSum'),
        optim_wrapper=dict(optimizer=dict(type='SGD', lr=0.01)),
        default_scope='mtl3d',
        default_hooks=dict(checkpoint=None, logger=dict(type='LoggerHook', interval=1)),
        log_processor=dict(by_epoch=False),
        custom_hooks=[*extra, *hooks],
        visualizer=dict(
            type='Visualizer',
            vis_backends=[dict(type='LocalVisBackend'), dict(type='MemoryVisBackend')],
        ),
        log_level='ERROR',
        randomness=dict(seed=0),
        experiment_name=work_dir.name,
    )
    runner.test() if test else runner.train()
    return runner


def test_validation_and_training_are_the_same_with_and_without_the_hook(tmp_path):
    MemoryVisBackend.seen.clear()
    plain_record, drawn_record = RecordStates(), RecordStates()
    plain = run(tmp_path / 'plain', plain_record)
    drawn = run(tmp_path / 'drawn', drawn_record, MultiTaskVisualizationHook(num_images=3))
    for (metrics, state, mode), (metrics_, state_, mode_) in zip(
        plain_record.seen, drawn_record.seen, strict=True
    ):
        assert metrics == metrics_ and metrics['count'] == 5
        assert torch.equal(state[0], state_[0])
        assert (state[1] == state_[1]).all() and state[2] == state_[2]
        assert mode == mode_
    after = plain.model.state_dict()
    assert all(torch.equal(value, after[key]) for key, value in drawn.model.state_dict().items())
    assert not list((tmp_path / 'plain').glob('panels/**/*.png'))
    # 5 images, 3 chosen, evenly spread; a row each for truth, prediction and rendering.
    for iteration in ('iter_000002', 'iter_000004'):
        files = sorted((tmp_path / 'drawn' / 'panels' / iteration).iterdir())
        assert [file.name for file in files] == ['0.png', '2.png', '4.png']
        assert read_stored(files[0]).shape[0] > 3 * 200
    assert MemoryVisBackend.seen == {f'panel_{i}': [2, 4] for i in (0, 2, 4)}
    assert not list((tmp_path / 'drawn').rglob('vis_image/*.png'))  # no second copy


def test_the_averaged_weights_are_the_ones_that_are_drawn(tmp_path, monkeypatch):
    seen = []
    monkeypatch.setattr(
        'mtl3d.visualization.hook.predict_everything',
        lambda model, item: (
            seen.append(model.decoder.heads['depth'].weight.clone())
            or predict_everything(model, item)
        ),
    )
    ema = dict(type='EMAHook', momentum=0.9)
    runner = run(tmp_path / 'ema', MultiTaskVisualizationHook(num_images=1), extra=[ema])
    averaged = next(hook for hook in runner.hooks if type(hook).__name__ == 'EMAHook').ema_model
    assert torch.equal(seen[-1], averaged.module.decoder.heads['depth'].weight)
    assert not torch.equal(seen[-1], runner.model.decoder.heads['depth'].weight)


def test_a_model_without_regularizer_has_no_row_for_it(tmp_path):
    hook = MultiTaskVisualizationHook(num_images=1)
    run(tmp_path / 'base', hook, regularizer=False)
    run(tmp_path / 'full', MultiTaskVisualizationHook(num_images=1))
    heights = [
        read_stored(next((tmp_path / name).glob('panels/iter_000004/*.png'))).shape[0]
        for name in ('base', 'full')
    ]
    assert heights[0] < heights[1]


def test_show_dir_draws_every_test_image(tmp_path):
    hook = MultiTaskVisualizationHook(show_dir=str(tmp_path / 'shown'))
    run(tmp_path / 'test', hook, test=True)
    assert sorted(f.name for f in (tmp_path / 'shown').iterdir()) == [f'{i}.png' for i in range(5)]
    assert not (tmp_path / 'test' / 'panels').exists()


def test_nothing_is_drawn_by_other_processes(tmp_path, monkeypatch):
    monkeypatch.setattr('mmengine.dist.utils.get_rank', lambda group=None: 1)
    hook = MultiTaskVisualizationHook()
    hook.after_val_epoch(runner=None)  # would fail if it did anything


@pytest.mark.parametrize('training', [True, False])
def test_prediction_keeps_the_mode_and_the_item(training):
    model = MODELS.build(toy_model_cfg()).train(training)
    item = toy_sample(0)
    before = item['data_samples'].gt.depth.clone()
    sample = predict_everything(torch.nn.Sequential(model)[0], item)
    assert model.training is training
    assert 'pred' in sample and 'pred_regularizer' in sample and 'pred_average' not in sample
    assert torch.equal(item['data_samples'].gt.depth, before)
    assert not sample.pred.depth.requires_grad


def test_negative_numbers_are_refused():
    with pytest.raises(ValueError, match='num_images=-1'):
        MultiTaskVisualizationHook(num_images=-1)
