_base_ = ['../_base_/models/hrnet18s.py', '../_base_/recipes/atrc_pascal.py']
model = dict(
    data_preprocessor=dict(type='MultiTaskDataPreprocessor', size=(512, 512)),
    decoder=dict(type='ATRCDecoder', genotype='pascal_hrnet18s'),
    tasks=_base_.tasks,
    auxiliary_tasks=_base_.auxiliary_tasks,
)
