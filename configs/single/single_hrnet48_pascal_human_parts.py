# The single-task baseline of human_parts.
_base_ = '../vanilla/vanilla_hrnet48_pascal.py'
model = dict(tasks=dict(_delete_=True, human_parts=dict(type='HumanPartsTask', num_classes=7)))
val_evaluator = dict(metrics=[dict(type='HumanPartsMetric', num_classes=7)])
test_evaluator = val_evaluator
default_hooks = dict(checkpoint=dict(save_best='human_parts/mIoU', rule='greater'))
