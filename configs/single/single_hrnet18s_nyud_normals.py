# The single-task baseline of normals.
_base_ = '../vanilla/vanilla_hrnet18s_nyud.py'
model = dict(tasks=dict(_delete_=True, normals=dict(type='NormalsTask', reduction='element')))
val_evaluator = dict(metrics=[dict(type='NormalsMetric')])
test_evaluator = val_evaluator
default_hooks = dict(checkpoint=dict(save_best='normals/mean', rule='less'))
