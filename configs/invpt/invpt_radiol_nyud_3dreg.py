_base_ = './invpt_radiol_nyud.py'
model = dict(regularizer=dict(type='TriplaneRegularizer', features=-1, render_size=(56, 72)))
custom_hooks = [dict(type='AlphaRampHook', end=20000, stop=4.0)]
