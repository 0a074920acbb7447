_base_ = ['../_base_/models/hrnet48.py', '../_base_/recipes/atrc_pascal.py']
model = dict(
    data_preprocessor=dict(type='MultiTaskDataPreprocessor', size=(512, 512)),
    decoder=dict(type='PSDDecoder'),
    tasks=_base_.tasks,
)
