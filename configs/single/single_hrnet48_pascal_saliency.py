# The single-task baseline of saliency.
_base_ = '../vanilla/vanilla_hrnet48_pascal.py'
model = dict(tasks=dict(_delete_=True, saliency=dict(type='SaliencyTask', num_channels=1)))
val_evaluator = dict(metrics=[dict(type='SaliencyMetric')])
test_evaluator = val_evaluator
default_hooks = dict(checkpoint=dict(save_best='saliency/maxF', rule='greater'))
