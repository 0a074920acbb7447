_base_ = '../_base_/recipes/survey_pascal.py'
model = dict(
    type='MultiTaskModel',
    data_preprocessor=dict(type='MultiTaskDataPreprocessor', size=(512, 512)),
    backbone=dict(type='MTANEncoder', model_name='resnet18.tv_in1k', pretrained=True),
    decoder=dict(type='SingleHeadsDecoder', head=dict(type='ASPPHead')),
    tasks=_base_.tasks,
)
# 100 epochs by SGD of batches of 6.
max_iters = 83300
train_dataloader = dict(batch_size=6)
optim_wrapper = dict(
    optimizer=dict(_delete_=True, type='SGD', lr=5e-3, momentum=0.9, weight_decay=1e-4)
)
param_scheduler = [
    dict(type='PolyLR', power=0.9, eta_min=0.0, begin=0, end=max_iters + 1, by_epoch=False)
]
train_cfg = dict(max_iters=max_iters)
auto_scale_lr = dict(base_batch_size=6)
