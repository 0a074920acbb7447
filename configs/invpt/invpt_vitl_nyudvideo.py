_base_ = [
    '../_base_/models/invpt_vitl.py',
    '../_base_/datasets/nyudvideo.py',
    '../_base_/tasks/nyud.py',
    '../_base_/schedules/poly_40k.py',
    '../_base_/default_runtime.py',
]
model = dict(
    data_preprocessor=dict(type='MultiTaskDataPreprocessor', size=(448, 576)),
    backbone=dict(img_size=(448, 576)),
    tasks=_base_.tasks,
)
