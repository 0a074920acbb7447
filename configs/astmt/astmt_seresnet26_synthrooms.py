_base_ = [
    '../_base_/datasets/synthrooms.py',
    '../_base_/tasks/synthrooms_survey.py',
    '../_base_/schedules/quick.py',
    '../_base_/default_runtime.py',
]
model = dict(
    type='MultiTaskModel',
    data_preprocessor=dict(type='MultiTaskDataPreprocessor', size=(96, 128)),
    backbone=dict(type='ASTMTEncoder', depth=26),
    decoder=dict(type='ASTMTDecoder'),
    tasks=_base_.tasks,
)
