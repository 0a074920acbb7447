# InvPT with RADIOv3 ViT-L/16.
# RADIO wants its own mean and deviation of the input; set in the leaf config's preprocessor.
# The image size and the tasks come from the data set's part of the config.
model = dict(
    type='MultiTaskModel',
    backbone=dict(
        type='TimmBackbone',
        model_name='vit_large_patch16_radio_v3.c_radio',
        pretrained=True,
        out_blocks=(6, 12, 18),
        drop_path_rate=0.15,
    ),
    decoder=dict(type='InvPTDecoder', head=dict(type='ConvHead')),
)
# Some parameters exist only so that published weights fit (see InvPTDecoder).
find_unused_parameters = True
