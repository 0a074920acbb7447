# ATRC's published recipe for PASCAL-Context: images of 512 x 512.
_base_ = [
    '../datasets/pascal.py',
    '../tasks/pascal_atrc.py',
    '../schedules/sgd_poly_40k.py',
    '../default_runtime.py',
]
train_dataloader = dict(batch_size=8)
optim_wrapper = dict(optimizer=dict(lr=0.005))
