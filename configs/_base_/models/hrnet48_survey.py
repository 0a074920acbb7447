# HRNet-48 as in the survey's and MTI-Net's code, whose running statistics move slowly.
_base_ = './hrnet48.py'
model = dict(backbone=dict(norm_momentum=0.01))
