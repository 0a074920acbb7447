_base_ = ['../_base_/models/invpt_vits.py', '../_base_/recipes/invpt_pascal.py']
model = dict(
    data_preprocessor=dict(type='MultiTaskDataPreprocessor', size=(512, 512)),
    backbone=dict(img_size=(512, 512)),
    tasks=_base_.tasks,
)
