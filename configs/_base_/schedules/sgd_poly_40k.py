# The published schedule of ATRC: SGD, weight decay on everything, polynomial decay at every
# iteration, 40 000 iterations of a global batch of 8, no warm-up, no clipping.
_base_ = './poly_40k.py'
optim_wrapper = dict(
    optimizer=dict(_delete_=True, type='SGD', lr=0.01, momentum=0.9, weight_decay=5e-4)
)
auto_scale_lr = dict(base_batch_size=8)
