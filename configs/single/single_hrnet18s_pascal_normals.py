# The single-task baseline of normals.
_base_ = ['../_base_/models/hrnet18s_survey.py', '../_base_/recipes/survey_single_pascal.py']
model = dict(
    data_preprocessor=dict(type='MultiTaskDataPreprocessor', size=(512, 512)),
    decoder=dict(type='SingleHeadsDecoder', head=dict(type='HRNetHead')),
    tasks=dict(normals=dict(type='NormalsTask', reduction='element')),
)
val_evaluator = dict(metrics=[dict(type='NormalsMetric')])
test_evaluator = val_evaluator
default_hooks = dict(checkpoint=dict(save_best='normals/mean', rule='less'))
