_base_ = './mtinet_dinov2l_pascal.py'
model = dict(
    regularizer=dict(
        type='TriplaneRegularizer', features='all', render_size=(64, 64), num_samples=48
    )
)
custom_hooks = [dict(type='AlphaRampHook', end=20000, stop=4.0)]
