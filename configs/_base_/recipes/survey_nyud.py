# The survey's recipe for NYUv2, with all four tasks: images of 480 x 640.
_base_ = [
    '../datasets/nyud_survey.py',
    '../tasks/nyud_survey.py',
    '../schedules/adam_poly_survey_nyud.py',
    '../default_runtime.py',
]
