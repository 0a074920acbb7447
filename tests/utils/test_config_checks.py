"""Checks of a whole config: the message names the path of the bad key and the nearest valid one."""

import pytest
import toy_run  # noqa: F401  registers ToyDataset
from mmengine.config import Config
from toy import toy_model_cfg

from mtl3d.utils.config import check_config, check_top_level


def valid() -> Config:
    return Config(
        dict(
            model=toy_model_cfg(),
            train_dataloader=dict(
                batch_size=2,
                num_workers=0,
                sampler=dict(type='DefaultSampler', shuffle=True),
                dataset=dict(type='ToyDataset', length=3),
            ),
            optim_wrapper=dict(
                type='OptimWrapper',
                constructor='DefaultOptimWrapperConstructor',
                optimizer=dict(type='Adam', lr=1e-3),
            ),
            param_scheduler=[dict(type='PolyLR', end=10, by_epoch=False)],
            custom_hooks=[dict(type='CompileHook', targets=['decoder'], priority='LOW')],
            val_evaluator=[dict(type='SemSegMetric', num_classes=5)],
            launcher='none',
            max_iters=10,
            train_pipeline=[],
            _mine=3,
        )
    )


def test_a_valid_config_passes():
    check_config(valid())


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        ({'trian_cfg.max_iters': 5}, r"top-level config key 'trian_cfg'.*'train_cfg'"),
        ({'model.decodr': 1}, r"^model: MultiTaskModel has no argument 'decodr'.*'decoder'"),
        (
            {'model.backbone.droput': 0.1},
            r"^model\.backbone: ToyBackbone has no argument 'droput'.*'dropout'",
        ),
        ({'model.decoder.type': 'ToyDecodr'}, r"^model\.decoder\.type='ToyDecodr'.*'ToyDecoder'"),
        (
            {'train_dataloader.dataset.lenght': 3},
            r"^train_dataloader\.dataset: ToyDataset.*'lenght'.*'length'",
        ),
        ({'optim_wrapper.optimizer.weight_decy': 1}, r"^optim_wrapper\.optimizer.*'weight_decay'"),
        ({'custom_hooks.0.target': 1}, r"^custom_hooks\.0: CompileHook.*'target'.*'targets'"),
        ({'param_scheduler.0.powr': 1}, r"^param_scheduler\.0: PolyLR.*'powr'.*'power'"),
        ({'val_evaluator.0.num_clases': 1}, r"^val_evaluator\.0: .*'num_classes'"),
        ({'train_dataloader.batchsize': 3}, r"^train_dataloader has.*'batchsize'.*'batch_size'"),
        ({'randomness.sed': 3}, r"^randomness has.*'sed'.*'seed'"),
        ({'env_cfg.cudnn_benchmrk': True}, r"^env_cfg has.*'cudnn_benchmark'"),
        ({'env_cfg.mp_cfg.start': 'fork'}, r"^env_cfg\.mp_cfg has.*'start'.*'mp_start_method'"),
        ({'auto_scale_lr.enabled': True}, r"^auto_scale_lr has.*'enable'"),
        (
            {'default_hooks': dict(timer=dict(type='IterTimerHook'), tmer=dict(interval=3))},
            r"^default_hooks\.tmer has no 'type', only 'interval'",
        ),
        (
            {'model.regularizer': dict(_delete_=True, num_samples=3)},
            r"^model\.regularizer has no 'type', only 'num_samples': .* no such part",
        ),
        ({'train_pipeline': [dict(type='LoadImage', color='rgb')]}, r"LoadImage has no.*'color'"),
        ({'model.tasks.semsegg': dict(type='SemSegTask', num_classes=2)}, r"'semsegg'.*'semseg'"),
        ({'activation_checkpointing': ['backbone']}, 'ActivationCheckpointingHook'),
        ({'compile': True}, 'CompileHook'),
    ],
)
def test_a_misspelt_name_is_found_with_its_path(options, message):
    cfg = valid()
    cfg.merge_from_dict(options)
    with pytest.raises(ValueError, match=message):
        check_config(cfg)


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        ({'visualizer.name': 'mine'}, r'^visualizer\.name must not be set'),
        ({'log_level': 'LOUD'}, r"^log_level='LOUD': valid are DEBUG"),
        ({'max_iters': 0}, r'^max_iters=0: .* at least 1'),
        ({'max_iters': 'many'}, r"^max_iters='many': .* whole number"),
        ({'train_dataloader.batch_size': 0}, r'^train_dataloader\.batch_size=0: .* at least 1'),
        ({'val_dataloader.num_workers': -1}, r'^val_dataloader\.num_workers=-1: .* at least 0'),
        ({'optim_wrapper.optimizer.lr': 'abc'}, r"^optim_wrapper\.optimizer\.lr='abc': .*number"),
    ],
)
def test_a_wrong_value_is_found_with_its_key(options, message):
    cfg = valid()
    cfg.merge_from_dict(options)
    with pytest.raises(ValueError, match=message):
        check_config(cfg)


def test_the_runner_would_have_ignored_it():
    check_top_level(dict(model=None, work_dir='x', val_pipeline=[], custom_imports={}))
    with pytest.raises(ValueError, match='starts with an underscore'):
        check_top_level(dict(my_variable=3))
