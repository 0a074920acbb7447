_base_ = '../_base_/recipes/synthrooms_survey.py'
model = dict(
    type='MultiTaskModel',
    data_preprocessor=dict(type='MultiTaskDataPreprocessor', size=(96, 128)),
    backbone=dict(type='MTANEncoder', model_name='resnet18'),
    decoder=dict(type='SingleHeadsDecoder', head=dict(type='ASPPHead', channels=64)),
    tasks=_base_.tasks,
)
