_base_ = './pap_hrnet18s_nyud.py'
model = dict(regularizer=dict(type='TriplaneRegularizer', render_size=(54, 70)))
custom_hooks = [dict(type='AlphaRampHook', end=20000, stop=4.0)]
