# Fine-tuning of foundation models: AdamW, layer-wise learning-rate decay, a warm-up, then
# polynomial decay; 40 000 iterations of a global batch of 6 as InvPT. The values are our choice,
# not yet compared with others.
# `--cfg-options max_iters=N` changes both places (see docs/training.md).
max_iters = 40000
optim_wrapper = dict(
    type='OptimWrapper',
    optimizer=dict(type='AdamW', lr=1e-4, weight_decay=0.05),
    constructor='mtl3d.LayerDecayConstructor',
    paramwise_cfg=dict(layer_decay=0.8, norm_decay_mult=0.0, bias_decay_mult=0.0),
    clip_grad=dict(max_norm=10.0),
)
param_scheduler = [
    dict(type='LinearLR', start_factor=1e-3, begin=0, end=1500, by_epoch=False),
    dict(type='PolyLR', power=0.9, eta_min=0.0, begin=1500, end=max_iters + 1, by_epoch=False),
]
train_cfg = dict(type='IterBasedTrainLoop', max_iters=max_iters, val_interval=1000)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')
auto_scale_lr = dict(enable=False, base_batch_size=6)
