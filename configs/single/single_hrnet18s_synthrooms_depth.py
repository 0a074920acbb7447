# The single-task baseline of depth.
_base_ = '../vanilla/vanilla_hrnet18s_synthrooms.py'
model = dict(tasks=dict(_delete_=True, depth=dict(type='DepthTask')))
val_evaluator = dict(metrics=[dict(type='DepthMetric')])
test_evaluator = val_evaluator
default_hooks = dict(checkpoint=dict(save_best='depth/rmse', rule='less'))
