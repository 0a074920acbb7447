_base_ = ['../_base_/models/hrnet18s.py', '../_base_/recipes/synthrooms_survey.py']
model = dict(
    data_preprocessor=dict(type='MultiTaskDataPreprocessor', size=(96, 128)),
    backbone=dict(pretrained=False),
    decoder=dict(type='MTINetDecoder'),
    tasks=_base_.tasks,
)
