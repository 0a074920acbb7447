_base_ = [
    '../_base_/datasets/nyud_astmt.py',
    '../_base_/tasks/nyud_astmt.py',
    '../_base_/schedules/sgd_poly_40k.py',
    '../_base_/default_runtime.py',
]
model = dict(
    type='MultiTaskModel',
    data_preprocessor=dict(type='MultiTaskDataPreprocessor', size=(512, 512)),
    backbone=dict(type='ASTMTEncoder', depth=50, pretrained=True),
    decoder=dict(type='ASTMTDecoder', adversarial_kernel=3),
    tasks=_base_.tasks,
)
# 200 epochs of batches of 8. What belongs to one task learns 4 times as fast, the discriminator
# ten times.
max_iters = 19800
optim_wrapper = dict(
    optimizer=dict(lr=1e-3, weight_decay=1e-4),
    paramwise_cfg=dict(
        custom_keys=dict(
            adapters=dict(lr_mult=4.0),
            norms=dict(lr_mult=4.0),
            gates=dict(lr_mult=4.0),
            heads=dict(lr_mult=4.0),
            discriminator=dict(lr_mult=10.0),
        )
    ),
)
param_scheduler = [
    dict(type='PolyLR', power=0.9, eta_min=0.0, begin=0, end=max_iters + 1, by_epoch=False)
]
train_cfg = dict(max_iters=max_iters)
