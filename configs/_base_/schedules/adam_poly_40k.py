# MTI-Net's Adam over the 40 000 iterations of a global batch of 8 that the 3D-aware regularizer's
# paper trains it for; polynomial decay at every iteration.
_base_ = './poly_40k.py'
optim_wrapper = dict(optimizer=dict(lr=1e-4, weight_decay=1e-4))
auto_scale_lr = dict(base_batch_size=8)
