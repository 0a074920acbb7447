# The single-task baseline of saliency.
_base_ = ['../_base_/models/hrnet18s_survey.py', '../_base_/recipes/survey_single_pascal.py']
model = dict(
    data_preprocessor=dict(type='MultiTaskDataPreprocessor', size=(512, 512)),
    decoder=dict(type='SingleHeadsDecoder', head=dict(type='HRNetHead')),
    tasks=dict(saliency=dict(type='SaliencyTask', num_channels=1)),
)
val_evaluator = dict(metrics=[dict(type='SaliencyMetric')])
test_evaluator = val_evaluator
default_hooks = dict(checkpoint=dict(save_best='saliency/maxF', rule='greater'))
