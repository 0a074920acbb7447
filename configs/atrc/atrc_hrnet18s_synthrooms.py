_base_ = ['../_base_/models/hrnet18s.py', '../_base_/recipes/synthrooms.py']
model = dict(
    data_preprocessor=dict(type='MultiTaskDataPreprocessor', size=(96, 128)),
    backbone=dict(pretrained=False),
    decoder=dict(type='ATRCDecoder', genotype='t_label'),
    tasks=_base_.tasks,
    # ATRC's label regions: there, these tasks predict classes.
    auxiliary_tasks=dict(
        depth=dict(type='QuantizedDepthTask', loss_weight=1.0),
        normals=dict(type='QuantizedNormalsTask', dataset='nyud', loss_weight=10.0),
        edge=dict(type='EdgeTask', num_channels=2, loss_weight=50.0, positive_weight=0.95),
    ),
)
