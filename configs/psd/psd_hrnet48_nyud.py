_base_ = [
    '../_base_/models/hrnet48.py',
    '../_base_/datasets/nyud_425x560.py',
    '../_base_/tasks/nyud_atrc.py',
    '../_base_/schedules/sgd_poly_40k.py',
    '../_base_/default_runtime.py',
]
model = dict(
    data_preprocessor=dict(type='MultiTaskDataPreprocessor', size=(425, 560)),
    decoder=dict(type='PSDDecoder'),
    tasks=_base_.tasks,
)
