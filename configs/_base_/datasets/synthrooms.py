# SynthRooms, six tasks, 96 x 128. Make it: python tools/dataset_converters/synth_rooms.py
data_root = '{{$DATA_ROOT:data/synthrooms}}'

train_pipeline = [
    dict(type='LoadImage'),
    dict(type='LoadLabels'),
    dict(type='RandomScale', ratio_range=(1.0, 1.3)),
    dict(type='RandomCrop', size=(96, 128), cat_max_ratio=1.0),
    dict(type='RandomFlip', prob=0.5),
    dict(type='PackMultiTaskInputs'),
]
test_pipeline = [
    dict(type='LoadImage'),
    dict(type='LoadLabels'),
    dict(type='PackMultiTaskInputs'),
]
train_dataloader = dict(
    batch_size=8,
    num_workers=1,
    persistent_workers=True,
    drop_last=True,
    sampler=dict(type='InfiniteSampler', shuffle=True),
    dataset=dict(
        type='SynthRoomsDataset',
        data_root=data_root,
        ann_file='splits/train.txt',
        pipeline=train_pipeline,
    ),
)
val_dataloader = dict(
    batch_size=8,
    num_workers=0,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(
        type='SynthRoomsDataset',
        data_root=data_root,
        ann_file='splits/val.txt',
        test_mode=True,
        pipeline=test_pipeline,
    ),
)
test_dataloader = val_dataloader
val_evaluator = dict(
    type='MultiTaskEvaluator',
    metrics=[
        dict(type='SemSegMetric', num_classes=21),
        dict(type='HumanPartsMetric', num_classes=7),
        dict(type='DepthMetric'),
        dict(type='NormalsMetric'),
        dict(type='EdgeMetric', dataset='synthrooms'),
        dict(type='SaliencyMetric'),
        # Ranks checkpoints. The numbers are the best constant predictions, as measured by
        # tools/constant_baseline.py on seed 0, not single-task networks. A constant finds next to
        # no class and no boundary, so these two tasks would outweigh the others and are left out.
        dict(
            type='MultiTaskDelta',
            single_task={
                'human_parts/mIoU': 13.38,
                'depth/rmse': 0.8637,
                'normals/mean': 51.76,
                'saliency/maxF': 9.30,
            },
        ),
    ],
)
test_evaluator = val_evaluator
