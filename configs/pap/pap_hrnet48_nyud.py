_base_ = ['../_base_/models/hrnet48.py', '../_base_/recipes/atrc_nyud.py']
model = dict(
    data_preprocessor=dict(type='MultiTaskDataPreprocessor', size=(425, 560)),
    decoder=dict(type='PAPDecoder'),
    tasks=_base_.tasks,
)
