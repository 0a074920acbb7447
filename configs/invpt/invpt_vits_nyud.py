_base_ = ['../_base_/models/invpt_vits.py', '../_base_/recipes/invpt_nyud.py']
model = dict(
    data_preprocessor=dict(type='MultiTaskDataPreprocessor', size=(448, 576)),
    backbone=dict(img_size=(448, 576)),
    tasks=_base_.tasks,
)
