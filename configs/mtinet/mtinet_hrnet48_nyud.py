_base_ = ['../_base_/models/hrnet48_survey.py', '../_base_/recipes/mtinet_nyud.py']
model = dict(
    data_preprocessor=dict(type='MultiTaskDataPreprocessor', size=(448, 576)),
    decoder=dict(type='MTINetDecoder'),
    tasks=_base_.tasks,
)
