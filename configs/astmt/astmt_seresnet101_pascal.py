_base_ = './astmt_seresnet50_pascal.py'
model = dict(backbone=dict(depth=101))
