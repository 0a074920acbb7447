# The single-task baseline of edge.
_base_ = '../vanilla/vanilla_hrnet48_nyud.py'
model = dict(tasks=dict(_delete_=True, edge=dict(type='EdgeTask', positive_weight=0.95)))
val_evaluator = dict(metrics=[dict(type='EdgeMetric', dataset='nyud')])
test_evaluator = val_evaluator
default_hooks = dict(checkpoint=dict(save_best='edge/odsF', rule='greater'))
