# Table 4's control: heads of the same tasks, without 3D structure, in the regularizer's place.
_base_ = './invpt_vitl_pascal.py'
model = dict(regularizer=dict(type='AuxiliaryHeads', features=-1, size=(64, 64)))
custom_hooks = [dict(type='AlphaRampHook', end=20000, stop=4.0)]
