_base_ = [
    '../_base_/models/pyramid_dinov3l.py',
    '../_base_/datasets/pascal.py',
    '../_base_/tasks/pascal_survey.py',
    '../_base_/schedules/adamw_layer_decay_40k.py',
    '../_base_/default_runtime.py',
]
model = dict(
    data_preprocessor=dict(type='MultiTaskDataPreprocessor', size=(512, 512)),
    backbone=dict(backbone=dict(img_size=(512, 512))),
    decoder=dict(type='MTINetDecoder'),
    tasks=_base_.tasks,
)
train_dataloader = dict(batch_size=8, drop_last=True)
# The pyramid's own layers, inside the model's backbone, learn at the full rate.
optim_wrapper = dict(paramwise_cfg=dict(backbone='backbone.backbone.'))
auto_scale_lr = dict(base_batch_size=8)
