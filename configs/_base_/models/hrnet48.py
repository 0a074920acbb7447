# HRNet-W48: four maps of strides 4 to 32, up-sampled bilinearly inside (see hrnet18s.py).
model = dict(
    type='MultiTaskModel',
    backbone=dict(
        type='TimmBackbone',
        model_name='hrnet_w48.ms_in1k',
        pretrained=True,
        out_indices=(1, 2, 3, 4),
        upsample_mode='bilinear',
        model_kwargs=dict(feature_location=''),
    ),
)
