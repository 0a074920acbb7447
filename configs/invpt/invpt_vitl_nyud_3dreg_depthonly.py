# The paper's Table 6: only depth is rendered.
_base_ = './invpt_vitl_nyud.py'
model = dict(
    regularizer=dict(
        type='TriplaneRegularizer', features=-1, render_size=(56, 72), tasks=('depth',)
    )
)
custom_hooks = [dict(type='AlphaRampHook', end=20000, stop=4.0)]
