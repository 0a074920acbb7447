# InvPT with ViT-L/16. The image size and the tasks come from the data set's part of the config.
model = dict(
    type='MultiTaskModel',
    backbone=dict(
        type='TimmBackbone',
        model_name='vit_large_patch16_384.augreg_in21k_ft_in1k',
        pretrained=True,
        out_blocks=(6, 12, 18),
        drop_path_rate=0.15,
    ),
    decoder=dict(type='InvPTDecoder', head=dict(type='ConvHead')),
)
# Some parameters exist only so that published weights fit (see InvPTDecoder).
find_unused_parameters = True
