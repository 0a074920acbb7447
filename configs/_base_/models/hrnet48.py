# HRNet-W48 in place of HRNet-W18-small.
_base_ = './hrnet18s.py'
model = dict(backbone=dict(model_name='hrnet_w48.ms_in1k'))
