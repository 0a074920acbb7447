_base_ = [
    '../_base_/models/invpt_vits.py',
    '../_base_/datasets/pascal.py',
    '../_base_/tasks/pascal.py',
    '../_base_/schedules/poly_40k.py',
    '../_base_/default_runtime.py',
]
model = dict(
    data_preprocessor=dict(type='MultiTaskDataPreprocessor', size=(512, 512)),
    backbone=dict(img_size=(512, 512)),
    tasks=_base_.tasks,
)
