# Minutes on a CPU: SynthRooms, images of 96 x 128, losses of InvPT and ATRC.
_base_ = [
    '../datasets/synthrooms.py',
    '../tasks/synthrooms.py',
    '../schedules/quick.py',
    '../default_runtime.py',
]
