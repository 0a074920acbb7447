# The control of the paper's Table 4: heads of the same tasks, without 3D structure.
_base_ = './mtinet_hrnet48_nyud.py'
model = dict(regularizer=dict(type='AuxiliaryHeads', features='all', size=(56, 72)))
custom_hooks = [dict(type='AlphaRampHook', end=20000, stop=4.0)]
