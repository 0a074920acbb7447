_base_ = './vanilla_resnet18_pascal.py'
model = dict(regularizer=dict(type='TriplaneRegularizer', render_size=(64, 64)))
# The paper's ramp reaches its end at half of the iterations; here likewise.
custom_hooks = [dict(type='AlphaRampHook', end=41650, stop=4.0)]
