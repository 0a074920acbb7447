_base_ = './mtan_resnet18_pascal.py'
# The paper's ramp reaches its end at half of the iterations; here likewise.
model = dict(
    regularizer=dict(
        type='TriplaneRegularizer', features='all', render_size=(64, 64), num_samples=48
    )
)
custom_hooks = [dict(type='AlphaRampHook', end=41650, stop=4.0)]
