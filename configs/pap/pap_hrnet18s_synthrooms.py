_base_ = ['../_base_/models/hrnet18s.py', '../_base_/recipes/synthrooms.py']
model = dict(
    data_preprocessor=dict(type='MultiTaskDataPreprocessor', size=(96, 128)),
    backbone=dict(pretrained=False),
    decoder=dict(type='PAPDecoder', channels=64, affinity_channels=32),
    tasks=_base_.tasks,
)
