# The survey's recipe for PASCAL-Context: images of 512 x 512.
_base_ = [
    '../datasets/pascal_survey.py',
    '../tasks/pascal_survey.py',
    '../schedules/adam_poly_survey_pascal.py',
    '../default_runtime.py',
]
