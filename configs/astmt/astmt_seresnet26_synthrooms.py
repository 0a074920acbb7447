_base_ = '../_base_/recipes/synthrooms_survey.py'
model = dict(
    type='MultiTaskModel',
    data_preprocessor=dict(type='MultiTaskDataPreprocessor', size=(96, 128)),
    backbone=dict(type='ASTMTEncoder', depth=26),
    decoder=dict(type='ASTMTDecoder'),
    tasks=_base_.tasks,
)
