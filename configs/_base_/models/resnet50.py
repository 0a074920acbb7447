# ResNet-50 with torchvision's weights, dilated to stride 8: one map.
model = dict(
    type='MultiTaskModel',
    backbone=dict(
        type='TimmBackbone',
        model_name='resnet50.tv_in1k',
        pretrained=True,
        out_indices=(4,),
        model_kwargs=dict(output_stride=8),
    ),
)
