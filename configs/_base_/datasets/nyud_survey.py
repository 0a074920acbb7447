# NYUv2 by the recipe of the survey of Vandenhende et al.: flips, zooms, images of 480 x 640.
_base_ = './nyud.py'
train_pipeline = [
    dict(type='LoadImage'),
    dict(type='LoadLabels'),
    dict(type='RandomFlip', prob=0.5),
    dict(type='RandomScaleRotate', scales=(1.0, 1.2, 1.5)),
    dict(type='Resize', size=(480, 640), cubic=True),
    dict(type='PackMultiTaskInputs'),
]
test_pipeline = [
    dict(type='LoadImage'),
    dict(type='LoadLabels'),
    dict(type='Resize', size=(480, 640), labels=False, cubic=True),
    dict(type='PackMultiTaskInputs'),
]
train_dataloader = dict(batch_size=8, drop_last=True, dataset=dict(pipeline=train_pipeline))
val_dataloader = dict(batch_size=8, dataset=dict(pipeline=test_pipeline))
test_dataloader = val_dataloader
