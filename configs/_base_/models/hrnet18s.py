# HRNet-W18-small-v2, which the papers call HRNet-18: four maps of strides 4 to 32. The dense
# prediction literature up-samples bilinearly inside, where timm takes the nearest neighbour.
model = dict(
    type='MultiTaskModel',
    backbone=dict(
        type='TimmBackbone',
        model_name='hrnet_w18_small_v2.ms_in1k',
        pretrained=True,
        out_indices=(1, 2, 3, 4),
        upsample_mode='bilinear',
        model_kwargs=dict(feature_location=''),
    ),
)
