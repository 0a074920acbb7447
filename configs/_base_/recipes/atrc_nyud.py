# ATRC's published recipe for NYUv2: images of 425 x 560.
_base_ = [
    '../datasets/nyud_425x560.py',
    '../tasks/nyud_atrc.py',
    '../schedules/sgd_poly_40k.py',
    '../default_runtime.py',
]
