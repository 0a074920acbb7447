_base_ = './vanilla_hrnet18s_synthrooms.py'
model = dict(regularizer=dict(type='TriplaneRegularizer', render_size=(24, 32), num_samples=32))
# The paper's ramp reaches its end at half of the iterations; here likewise.
custom_hooks = [dict(type='AlphaRampHook', end=125, stop=4.0)]
