_base_ = './vanilla_hrnet18s_nyud.py'
model = dict(regularizer=dict(type='TriplaneRegularizer', render_size=(60, 80)))
# The paper's ramp reaches its end at half of the iterations; here likewise.
custom_hooks = [dict(type='AlphaRampHook', end=4950, stop=4.0)]
