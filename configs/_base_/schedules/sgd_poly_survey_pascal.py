# The survey's schedule of single-task networks for PASCAL-Context: SGD, 60 epochs of 624 batches of
# 8. The learning rate decays at every iteration, where the survey's does at every epoch.
# `--cfg-options max_iters=N` changes both places (see docs/training.md).
max_iters = 37440
optim_wrapper = dict(
    type='OptimWrapper', optimizer=dict(type='SGD', lr=0.01, momentum=0.9, weight_decay=1e-4)
)
# MMEngine's PolyLR reaches eta_min at step `end - 1`; one more makes the learning rate after k
# steps exactly 0.01 * (1 - k / max_iters) ** 0.9, and the last iteration still learns.
param_scheduler = [
    dict(type='PolyLR', power=0.9, eta_min=0.0, begin=0, end=max_iters + 1, by_epoch=False)
]
train_cfg = dict(type='IterBasedTrainLoop', max_iters=max_iters, val_interval=6240)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')
auto_scale_lr = dict(enable=False, base_batch_size=8)
