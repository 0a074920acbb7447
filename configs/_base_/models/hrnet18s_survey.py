# HRNet-18 as in the survey's and MTI-Net's code, whose running statistics move slowly.
_base_ = './hrnet18s.py'
model = dict(backbone=dict(norm_momentum=0.01))
