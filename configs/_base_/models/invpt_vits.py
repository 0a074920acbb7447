# InvPT with ViT-S/16. The image size and the tasks come from the data set's part of the config.
model = dict(
    type='MultiTaskModel',
    backbone=dict(
        type='TimmBackbone',
        model_name='vit_small_patch16_384.augreg_in21k_ft_in1k',
        pretrained=True,
        out_blocks=(3, 6, 9),
        drop_path_rate=0.15,
    ),
    decoder=dict(type='InvPTDecoder', head=dict(type='ConvHead')),
)
# Some parameters exist only so that published weights fit (see InvPTDecoder).
find_unused_parameters = True
