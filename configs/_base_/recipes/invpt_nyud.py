# InvPT's published recipe for NYUv2: images of 448 x 576.
_base_ = [
    '../datasets/nyud.py',
    '../tasks/nyud.py',
    '../schedules/poly_40k.py',
    '../default_runtime.py',
]
