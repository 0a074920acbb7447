# InvPT's recipe for NYUv2 with a schedule for foundation models.
_base_ = [
    '../datasets/nyud.py',
    '../tasks/nyud.py',
    '../schedules/adamw_layer_decay_40k.py',
    '../default_runtime.py',
]
