# Minutes on a CPU: SynthRooms, images of 96 x 128, losses of the survey.
_base_ = [
    '../datasets/synthrooms.py',
    '../tasks/synthrooms_survey.py',
    '../schedules/quick.py',
    '../default_runtime.py',
]
