_base_ = [
    '../_base_/models/pyramid_dinov2l.py',
    '../_base_/datasets/nyud.py',
    '../_base_/tasks/nyud_survey.py',
    '../_base_/schedules/adamw_layer_decay_40k.py',
    '../_base_/default_runtime.py',
]
model = dict(
    data_preprocessor=dict(type='MultiTaskDataPreprocessor', size=(448, 576)),
    backbone=dict(backbone=dict(img_size=(448, 576))),
    decoder=dict(type='MTINetDecoder'),
    tasks=_base_.tasks,
)
train_dataloader = dict(batch_size=8, drop_last=True)
# The pyramid's own layers, inside the model's backbone, learn at the full rate.
optim_wrapper = dict(paramwise_cfg=dict(backbone='backbone.backbone.'))
auto_scale_lr = dict(base_batch_size=8)
