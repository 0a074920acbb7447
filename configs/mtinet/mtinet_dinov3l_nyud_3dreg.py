_base_ = './mtinet_dinov3l_nyud.py'
model = dict(regularizer=dict(type='TriplaneRegularizer', render_size=(56, 72)))
custom_hooks = [dict(type='AlphaRampHook', end=20000, stop=4.0)]
