# InvPT's published recipe for PASCAL-Context: images of 512 x 512.
_base_ = [
    '../datasets/pascal.py',
    '../tasks/pascal.py',
    '../schedules/poly_40k.py',
    '../default_runtime.py',
]
