_base_ = './invpt_dinov3l_nyud.py'
# The features of a ViT are token maps of one scale; the encoder's output is the last of them.
model = dict(regularizer=dict(type='TriplaneRegularizer', features=-1, render_size=(56, 72)))
custom_hooks = [dict(type='AlphaRampHook', end=20000, stop=4.0)]
