_base_ = [
    '../_base_/models/atrc_hrnet18s.py',
    '../_base_/datasets/pascal.py',
    '../_base_/tasks/pascal.py',
    '../_base_/schedules/sgd_poly_40k.py',
    '../_base_/default_runtime.py',
]
model = dict(
    data_preprocessor=dict(type='MultiTaskDataPreprocessor', size=(512, 512)),
    decoder=dict(genotype='pascal_hrnet18s'),
    tasks=_base_.tasks,
    # Continuous tasks predict classes where their label regions are used.
    auxiliary_tasks=dict(
        normals=dict(type='QuantizedNormalsTask', dataset='pascal', loss_weight=10.0),
        edge=dict(type='EdgeTask', num_channels=2, loss_weight=50.0, positive_weight=0.95),
    ),
)
train_dataloader = dict(batch_size=8, drop_last=True)
optim_wrapper = dict(optimizer=dict(lr=0.005))
