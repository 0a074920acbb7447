_base_ = ['../_base_/models/hrnet18s_survey.py', '../_base_/recipes/survey_pascal.py']
model = dict(
    data_preprocessor=dict(type='MultiTaskDataPreprocessor', size=(512, 512)),
    decoder=dict(type='SingleHeadsDecoder', head=dict(type='HRNetHead')),
    tasks=_base_.tasks,
)
