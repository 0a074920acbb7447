_base_ = ['../_base_/models/hrnet18s.py', '../_base_/recipes/atrc_nyud.py']
model = dict(
    data_preprocessor=dict(type='MultiTaskDataPreprocessor', size=(425, 560)),
    decoder=dict(type='ATRCDecoder', genotype='nyud_hrnet18s'),
    tasks=_base_.tasks,
    auxiliary_tasks=_base_.auxiliary_tasks,
)
