# MTI-Net's recipe for PASCAL-Context with a schedule for foundation models in a PyramidBackbone.
_base_ = [
    '../datasets/pascal.py',
    '../tasks/pascal_survey.py',
    '../schedules/adamw_layer_decay_40k.py',
    '../default_runtime.py',
]
train_dataloader = dict(batch_size=8)
# The pyramid's own layers, inside the model's backbone, learn at the full rate.
optim_wrapper = dict(paramwise_cfg=dict(backbone='backbone.backbone.'))
auto_scale_lr = dict(base_batch_size=8)
