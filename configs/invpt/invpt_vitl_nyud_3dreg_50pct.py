# The paper's Table 7: 397 of the 795 training images, the same for both methods.
_base_ = './invpt_vitl_nyud.py'
model = dict(regularizer=dict(type='TriplaneRegularizer', features=-1, render_size=(56, 72)))
custom_hooks = [dict(type='AlphaRampHook', end=20000, stop=4.0)]
train_dataloader = dict(dataset=dict(data_fraction=0.5))
