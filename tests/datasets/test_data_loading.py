"""Augmentation in the workers of MMEngine's data loader."""

from archives import make_nyud
from mmengine.runner import Runner

from mtl3d.datasets import NYUDv2Dataset  # noqa: F401  registers what the config names


def loader_cfg(root, workers):
    return dict(
        batch_size=2,
        num_workers=workers,
        persistent_workers=workers > 0,
        sampler=dict(type='InfiniteSampler', shuffle=True),
        dataset=dict(
            type='mtl3d.NYUDv2Dataset',
            data_root=str(root),
            ann_file='gt_sets/train.txt',
            pipeline=[
                dict(type='LoadImage'),
                dict(type='LoadLabels'),
                dict(type='RandomScale'),
                dict(type='RandomCrop', size=(24, 32)),
                dict(type='RandomFlip'),
                dict(type='PhotoMetricDistortion'),
                dict(type='PackMultiTaskInputs'),
            ],
        ),
    )


def draws(root, seed, batches=4):
    loader = Runner.build_dataloader(loader_cfg(root, workers=2), seed=seed)
    iterator = iter(loader)
    items = [next(iterator) for _ in range(batches)]
    samples = [sample for batch in items for sample in batch['data_samples']]
    sums = [image.double().mean().item() for batch in items for image in batch['inputs']]
    return [sample.scale_factor[0] for sample in samples], sums


def test_workers_draw_differently_and_the_seed_decides(tmp_path):
    """Python's ``random``, which the transforms use, is seeded per worker by MMEngine."""
    make_nyud(tmp_path)
    factors, sums = draws(tmp_path, seed=5)
    assert len(set(factors)) == len(factors)  # no two workers share a stream
    assert draws(tmp_path, seed=5) == (factors, sums)
    assert draws(tmp_path, seed=6)[0] != factors
