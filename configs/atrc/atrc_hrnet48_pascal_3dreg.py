_base_ = './atrc_hrnet48_pascal.py'
model = dict(regularizer=dict(type='TriplaneRegularizer', render_size=(64, 64)))
custom_hooks = [dict(type='AlphaRampHook', end=20000, stop=4.0)]
