_base_ = './pap_hrnet48_nyud.py'
model = dict(
    regularizer=dict(
        type='TriplaneRegularizer', features='all', render_size=(54, 70), num_samples=48
    )
)
custom_hooks = [dict(type='AlphaRampHook', end=20000, stop=4.0)]
