# The published combination: segmentation and depth are predicted, normals and boundaries only help.
_base_ = './mtinet_hrnet18s_nyud.py'
model = dict(decoder=dict(main_tasks=['semseg', 'depth']))
val_evaluator = dict(
    metrics=[
        dict(type='SemSegMetric', num_classes=40),
        dict(type='DepthMetric'),
        dict(type='MultiTaskDelta', single_task='survey_nyud'),
    ]
)
test_evaluator = val_evaluator
