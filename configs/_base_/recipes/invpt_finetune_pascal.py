# InvPT's recipe for PASCAL-Context with a schedule for foundation models.
_base_ = [
    '../datasets/pascal.py',
    '../tasks/pascal.py',
    '../schedules/adamw_layer_decay_40k.py',
    '../default_runtime.py',
]
