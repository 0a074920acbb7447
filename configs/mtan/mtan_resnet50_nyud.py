_base_ = '../_base_/recipes/survey_nyud.py'
model = dict(
    type='MultiTaskModel',
    data_preprocessor=dict(type='MultiTaskDataPreprocessor', size=(480, 640)),
    backbone=dict(type='MTANEncoder', model_name='resnet50.tv_in1k', pretrained=True),
    decoder=dict(type='SingleHeadsDecoder', head=dict(type='ASPPHead')),
    tasks=_base_.tasks,
)
