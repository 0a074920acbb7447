# How the 3D-aware regularizer's paper trains MTI-Net with HRNet-48: images as for InvPT, losses of
# the survey, 40 000 iterations of batches of 8.
_base_ = [
    '../datasets/pascal.py',
    '../tasks/pascal_survey.py',
    '../schedules/adam_poly_40k.py',
    '../default_runtime.py',
]
train_dataloader = dict(batch_size=8)
