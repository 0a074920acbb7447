_base_ = ['../_base_/models/pyramid_dinov3l.py', '../_base_/recipes/mtinet_finetune_nyud.py']
model = dict(
    data_preprocessor=dict(type='MultiTaskDataPreprocessor', size=(448, 576)),
    backbone=dict(backbone=dict(img_size=(448, 576))),
    decoder=dict(type='MTINetDecoder'),
    tasks=_base_.tasks,
)
