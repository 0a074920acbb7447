# The survey's recipe of single-task networks for PASCAL-Context: images of 512 x 512.
_base_ = [
    '../datasets/pascal_survey.py',
    '../schedules/sgd_poly_survey_pascal.py',
    '../default_runtime.py',
]
