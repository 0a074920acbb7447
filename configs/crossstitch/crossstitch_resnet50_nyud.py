_base_ = '../_base_/recipes/survey_nyud.py'
model = dict(
    type='MultiTaskModel',
    data_preprocessor=dict(type='MultiTaskDataPreprocessor', size=(480, 640)),
    backbone=dict(
        type='CrossStitchEncoder',
        model_name='resnet50.tv_in1k',
        pretrained=True,
        self_weight=0.9,
        cross_weight=0.1,
    ),
    decoder=dict(type='SingleHeadsDecoder', head=dict(type='ASPPHead')),
    tasks=_base_.tasks,
)
# 50 epochs by SGD.
max_iters = 4950
optim_wrapper = dict(
    optimizer=dict(_delete_=True, type='SGD', lr=1e-3, momentum=0.9, weight_decay=1e-4)
)
param_scheduler = [
    dict(type='PolyLR', power=0.9, eta_min=0.0, begin=0, end=max_iters + 1, by_epoch=False)
]
train_cfg = dict(max_iters=max_iters)
