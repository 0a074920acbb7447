_base_ = './mtinet_dinov2l_nyud.py'
model = dict(
    regularizer=dict(
        type='TriplaneRegularizer', features='all', render_size=(56, 72), num_samples=48
    )
)
custom_hooks = [dict(type='AlphaRampHook', end=20000, stop=4.0)]
