_base_ = [
    '../_base_/models/hrnet18s.py',
    '../_base_/datasets/synthrooms.py',
    '../_base_/tasks/synthrooms_survey.py',
    '../_base_/schedules/quick.py',
    '../_base_/default_runtime.py',
]
model = dict(
    data_preprocessor=dict(type='MultiTaskDataPreprocessor', size=(96, 128)),
    backbone=dict(pretrained=False),
    decoder=dict(type='PADNetDecoder', channels=64),
    tasks=_base_.tasks,
)
