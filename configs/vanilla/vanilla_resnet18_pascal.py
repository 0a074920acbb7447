_base_ = ['../_base_/models/resnet18.py', '../_base_/recipes/survey_pascal.py']
model = dict(
    data_preprocessor=dict(type='MultiTaskDataPreprocessor', size=(512, 512)),
    decoder=dict(type='SingleHeadsDecoder', head=dict(type='ASPPHead')),
    tasks=_base_.tasks,
)
# 100 epochs of batches of 6.
max_iters = 83300
train_dataloader = dict(batch_size=6)
param_scheduler = [
    dict(type='PolyLR', power=0.9, eta_min=0.0, begin=0, end=max_iters + 1, by_epoch=False)
]
train_cfg = dict(max_iters=max_iters)
auto_scale_lr = dict(base_batch_size=6)
