_base_ = [
    '../_base_/models/hrnet48.py',
    '../_base_/datasets/pascal.py',
    '../_base_/tasks/pascal_survey.py',
    '../_base_/schedules/adam_poly_40k.py',
    '../_base_/default_runtime.py',
]
model = dict(
    data_preprocessor=dict(type='MultiTaskDataPreprocessor', size=(512, 512)),
    decoder=dict(type='MTINetDecoder'),
    tasks=_base_.tasks,
)
train_dataloader = dict(batch_size=8, drop_last=True)
