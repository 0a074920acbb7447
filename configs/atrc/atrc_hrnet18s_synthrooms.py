_base_ = [
    '../_base_/models/atrc_hrnet18s.py',
    '../_base_/datasets/synthrooms.py',
    '../_base_/tasks/synthrooms.py',
    '../_base_/schedules/quick.py',
    '../_base_/default_runtime.py',
]
model = dict(
    data_preprocessor=dict(type='MultiTaskDataPreprocessor', size=(96, 128)),
    backbone=dict(pretrained=False),
    decoder=dict(genotype='t_label'),
    tasks=_base_.tasks,
    # Continuous tasks predict classes where their label regions are used.
    auxiliary_tasks=dict(
        depth=dict(type='QuantizedDepthTask', loss_weight=1.0),
        normals=dict(type='QuantizedNormalsTask', dataset='nyud', loss_weight=10.0),
        edge=dict(type='EdgeTask', num_channels=2, loss_weight=50.0, positive_weight=0.95),
    ),
)
default_hooks = dict(logger=dict(interval=10), checkpoint=dict(interval=125))
