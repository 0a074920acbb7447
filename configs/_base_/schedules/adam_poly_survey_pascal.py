# The survey's schedule for PASCAL-Context: Adam, 100 epochs of 624 batches of 8. The learning rate
# decays at every iteration, where the survey's does at every epoch.
_base_ = './adam_poly_40k.py'
max_iters = 62400
param_scheduler = [
    dict(type='PolyLR', power=0.9, eta_min=0.0, begin=0, end=max_iters + 1, by_epoch=False)
]
train_cfg = dict(max_iters=max_iters, val_interval=6240)
