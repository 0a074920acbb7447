_base_ = ['../_base_/models/pyramid_dinov2l.py', '../_base_/recipes/mtinet_finetune_pascal.py']
model = dict(
    data_preprocessor=dict(type='MultiTaskDataPreprocessor', size=(512, 512)),
    backbone=dict(backbone=dict(img_size=(512, 512))),
    decoder=dict(type='MTINetDecoder'),
    tasks=_base_.tasks,
)
