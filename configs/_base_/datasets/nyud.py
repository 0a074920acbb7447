# NYUv2 in either public layout (docs/datasets.md), by the recipe of ATRC and InvPT: a window of the
# network's input size in training, whole images in evaluation, padded by the preprocessor.
data_root = '{{$DATA_ROOT:data/NYUDv2}}'
train_pipeline = [
    dict(type='LoadImage'),
    dict(type='LoadLabels'),
    dict(type='RandomScale', ratio_range=(0.5, 2.0)),
    dict(type='RandomCrop', size=(448, 576), cat_max_ratio=0.75),
    dict(type='RandomFlip', prob=0.5),
    dict(type='PhotoMetricDistortion'),
    dict(type='PackMultiTaskInputs'),
]
test_pipeline = [
    dict(type='LoadImage'),
    dict(type='LoadLabels'),
    dict(type='PackMultiTaskInputs'),
]
train_dataloader = dict(
    batch_size=6,
    num_workers=4,
    persistent_workers=True,
    sampler=dict(type='InfiniteSampler', shuffle=True),
    dataset=dict(
        type='NYUDv2Dataset',
        data_root=data_root,
        ann_file='gt_sets/train.txt',
        pipeline=train_pipeline,
    ),
)
val_dataloader = dict(
    batch_size=6,
    num_workers=4,
    persistent_workers=True,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(
        type='NYUDv2Dataset',
        data_root=data_root,
        ann_file='gt_sets/val.txt',
        pipeline=test_pipeline,
        test_mode=True,
    ),
)
test_dataloader = val_dataloader
val_evaluator = dict(
    type='MultiTaskEvaluator',
    metrics=[
        dict(type='SemSegMetric', num_classes=40),
        dict(type='DepthMetric'),
        dict(type='NormalsMetric'),
        dict(type='EdgeMetric', dataset='nyud'),
        # Ranks checkpoints; for a paper's Delta_m give your own single-task numbers.
        dict(type='MultiTaskDelta', single_task='survey_nyud'),
    ],
)
test_evaluator = val_evaluator
