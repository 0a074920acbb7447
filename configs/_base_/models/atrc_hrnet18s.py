# ATRC with HRNet-W18-small-v2, in the weights of its authors. The genotype, the tasks and what the
# auxiliary predictions are come from the data set's part of the config.
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
    decoder=dict(type='ATRCDecoder'),
)
