_base_ = ['../_base_/models/invpt_vitt.py', '../_base_/recipes/synthrooms.py']
model = dict(
    data_preprocessor=dict(type='MultiTaskDataPreprocessor', size=(96, 128)),
    backbone=dict(img_size=(96, 128)),
    tasks=_base_.tasks,
)
default_hooks = dict(
    logger=dict(interval=10),
    checkpoint=dict(interval=125),
    visualization=dict(type='MultiTaskVisualizationHook'),
)
