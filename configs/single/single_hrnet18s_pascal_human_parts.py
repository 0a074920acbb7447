# The single-task baseline of human_parts.
_base_ = ['../_base_/models/hrnet18s_survey.py', '../_base_/recipes/survey_single_pascal.py']
model = dict(
    data_preprocessor=dict(type='MultiTaskDataPreprocessor', size=(512, 512)),
    decoder=dict(type='SingleHeadsDecoder', head=dict(type='HRNetHead')),
    tasks=dict(human_parts=dict(type='HumanPartsTask', num_classes=7)),
)
val_evaluator = dict(metrics=[dict(type='HumanPartsMetric', num_classes=7)])
test_evaluator = val_evaluator
default_hooks = dict(checkpoint=dict(save_best='human_parts/mIoU', rule='greater'))
