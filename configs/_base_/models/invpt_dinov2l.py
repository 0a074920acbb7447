# InvPT with DINOv2 ViT-L.
# Its patches of 14 do not divide the sizes that InvPT needs (multiples of 64 for patches of 16), so
# the patch projection is resampled to 16 x 16 pixels when the weights are loaded.
# The image size and the tasks come from the data set's part of the config.
model = dict(
    type='MultiTaskModel',
    backbone=dict(
        type='TimmBackbone',
        model_name='vit_large_patch14_dinov2.lvd142m',
        pretrained=True,
        out_blocks=(6, 12, 18),
        drop_path_rate=0.15,
        model_kwargs=dict(patch_size=16),
    ),
    decoder=dict(type='InvPTDecoder', head=dict(type='ConvHead')),
)
# Some parameters exist only so that published weights fit (see InvPTDecoder).
find_unused_parameters = True
