_base_ = [
    '../_base_/models/atrc_hrnet18s.py',
    '../_base_/datasets/nyud_425x560.py',
    '../_base_/tasks/nyud_atrc.py',
    '../_base_/schedules/sgd_poly_40k.py',
    '../_base_/default_runtime.py',
]
model = dict(
    data_preprocessor=dict(type='MultiTaskDataPreprocessor', size=(425, 560)),
    decoder=dict(genotype='nyud_hrnet18s'),
    tasks=_base_.tasks,
    # Continuous tasks predict classes where their label regions are used.
    auxiliary_tasks=dict(
        depth=dict(type='QuantizedDepthTask', loss_weight=1.0),
        normals=dict(type='QuantizedNormalsTask', dataset='nyud', loss_weight=10.0),
        edge=dict(type='EdgeTask', num_channels=2, loss_weight=50.0, positive_weight=0.8),
    ),
)
