# The single-task baseline of semseg.
_base_ = '../vanilla/vanilla_hrnet48_nyud.py'
model = dict(tasks=dict(_delete_=True, semseg=dict(type='SemSegTask', num_classes=40)))
val_evaluator = dict(metrics=[dict(type='SemSegMetric', num_classes=40)])
test_evaluator = val_evaluator
default_hooks = dict(checkpoint=dict(save_best='semseg/mIoU', rule='greater'))
