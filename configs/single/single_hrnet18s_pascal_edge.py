# The single-task baseline of edge.
_base_ = ['../_base_/models/hrnet18s_survey.py', '../_base_/recipes/survey_single_pascal.py']
model = dict(
    data_preprocessor=dict(type='MultiTaskDataPreprocessor', size=(512, 512)),
    decoder=dict(type='SingleHeadsDecoder', head=dict(type='HRNetHead')),
    tasks=dict(edge=dict(type='EdgeTask', positive_weight=0.95)),
)
val_evaluator = dict(metrics=[dict(type='EdgeMetric', dataset='pascal_context')])
test_evaluator = val_evaluator
default_hooks = dict(checkpoint=dict(save_best='edge/odsF', rule='greater'))
