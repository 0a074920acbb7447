# The survey's schedule of single-task networks for PASCAL-Context: SGD, 60 epochs of 624 batches of
# 8. The learning rate decays at every iteration, where the survey's does at every epoch.
_base_ = './sgd_poly_40k.py'
max_iters = 37440
optim_wrapper = dict(optimizer=dict(weight_decay=1e-4))
param_scheduler = [
    dict(type='PolyLR', power=0.9, eta_min=0.0, begin=0, end=max_iters + 1, by_epoch=False)
]
train_cfg = dict(max_iters=max_iters, val_interval=6240)
