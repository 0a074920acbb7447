_base_ = [
    '../_base_/models/hrnet48.py',
    '../_base_/datasets/nyud.py',
    '../_base_/tasks/nyud_survey.py',
    '../_base_/schedules/adam_poly_40k.py',
    '../_base_/default_runtime.py',
]
model = dict(
    data_preprocessor=dict(type='MultiTaskDataPreprocessor', size=(448, 576)),
    decoder=dict(type='SingleHeadsDecoder', head=dict(type='HRNetHead')),
    tasks=_base_.tasks,
)
train_dataloader = dict(batch_size=8, drop_last=True)
