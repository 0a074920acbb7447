_base_ = './vanilla_hrnet18s_nyud.py'
# The paper's ramp reaches its end at half of the iterations; here likewise.
model = dict(
    regularizer=dict(
        type='TriplaneRegularizer', features='all', render_size=(60, 80), num_samples=48
    )
)
custom_hooks = [dict(type='AlphaRampHook', end=4950, stop=4.0)]
