_base_ = ['../_base_/models/hrnet48_survey.py', '../_base_/recipes/mtinet_pascal.py']
model = dict(
    data_preprocessor=dict(type='MultiTaskDataPreprocessor', size=(512, 512)),
    decoder=dict(type='MTINetDecoder'),
    tasks=_base_.tasks,
)
