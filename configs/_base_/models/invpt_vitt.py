# InvPT small enough to train on a CPU in minutes: images of 96 x 128, patches of 8 x 8.
# The image size and the tasks come from the data set's part of the config.
model = dict(
    type='MultiTaskModel',
    backbone=dict(
        type='TimmBackbone',
        model_name='vit_tiny_patch16_224',
        pretrained=False,
        out_blocks=(1, 2, 3),
        model_kwargs=dict(patch_size=8, embed_dim=96, depth=4, num_heads=3),
    ),
    decoder=dict(type='InvPTDecoder', embed_dim=48, prediction_dim=16, head=dict(type='ConvHead')),
)
# Some parameters exist only so that published weights fit (see InvPTDecoder).
find_unused_parameters = True
