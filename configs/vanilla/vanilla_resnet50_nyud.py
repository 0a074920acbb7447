_base_ = [
    '../_base_/models/resnet50.py',
    '../_base_/datasets/nyud_survey.py',
    '../_base_/tasks/nyud_survey.py',
    '../_base_/schedules/adam_poly_survey_nyud.py',
    '../_base_/default_runtime.py',
]
model = dict(
    data_preprocessor=dict(type='MultiTaskDataPreprocessor', size=(480, 640)),
    decoder=dict(type='SingleHeadsDecoder', head=dict(type='ASPPHead')),
    tasks=_base_.tasks,
)
