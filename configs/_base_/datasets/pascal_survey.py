# PASCAL-Context by the recipe of ASTMT and of the survey: flips, zooms and rotations, then
# 512 x 512 whatever the aspect ratio.
_base_ = './pascal.py'
train_pipeline = [
    dict(type='LoadImage'),
    dict(type='LoadLabels', resize=True),
    dict(type='RandomFlip', prob=0.5),
    dict(type='RandomScaleRotate', degrees=20, scale_range=(0.75, 1.25)),
    dict(type='Resize', size=(512, 512), cubic=True),
    dict(type='IgnoreBackgroundOnly', tasks=('human_parts',)),
    dict(type='PackMultiTaskInputs'),
]
test_pipeline = [
    dict(type='LoadImage'),
    dict(type='LoadLabels', resize=True),
    dict(type='IgnoreBackgroundOnly', tasks=('human_parts',)),
    dict(type='Resize', size=(512, 512), labels=False, cubic=True),
    dict(type='PackMultiTaskInputs'),
]
train_dataloader = dict(batch_size=8, drop_last=True, dataset=dict(pipeline=train_pipeline))
val_dataloader = dict(batch_size=8, dataset=dict(pipeline=test_pipeline))
test_dataloader = val_dataloader
