_base_ = './mtinet_dinov3l_pascal.py'
model = dict(regularizer=dict(type='TriplaneRegularizer', render_size=(64, 64)))
custom_hooks = [dict(type='AlphaRampHook', end=20000, stop=4.0)]
