_base_ = [
    '../_base_/models/hrnet18s.py',
    '../_base_/datasets/pascal.py',
    '../_base_/tasks/pascal.py',
    '../_base_/schedules/sgd_poly_40k.py',
    '../_base_/default_runtime.py',
]
model = dict(
    data_preprocessor=dict(type='MultiTaskDataPreprocessor', size=(512, 512)),
    decoder=dict(type='PSDDecoder'),
    tasks=_base_.tasks,
)
train_dataloader = dict(batch_size=8, drop_last=True)
# ATRC's learning rate for PASCAL-Context.
optim_wrapper = dict(optimizer=dict(lr=0.005))
