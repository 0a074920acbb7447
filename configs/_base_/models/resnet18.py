# ResNet-18 in place of ResNet-50.
_base_ = './resnet50.py'
model = dict(backbone=dict(model_name='resnet18.tv_in1k'))
