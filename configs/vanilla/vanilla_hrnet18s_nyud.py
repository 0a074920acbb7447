_base_ = ['../_base_/models/hrnet18s_survey.py', '../_base_/recipes/survey_nyud.py']
model = dict(
    data_preprocessor=dict(type='MultiTaskDataPreprocessor', size=(480, 640)),
    decoder=dict(type='SingleHeadsDecoder', head=dict(type='HRNetHead')),
    tasks=_base_.tasks,
)
