_base_ = ['../_base_/models/resnet50.py', '../_base_/recipes/survey_nyud.py']
model = dict(
    data_preprocessor=dict(type='MultiTaskDataPreprocessor', size=(480, 640)),
    decoder=dict(type='SingleHeadsDecoder', head=dict(type='ASPPHead')),
    tasks=_base_.tasks,
)
