# InvPT with Swin-L, whose four levels are brought to one grid of stride 16 (our choice, see
# SingleGridBackbone). The image size and the tasks come from the data set's part of the config.
model = dict(
    type='MultiTaskModel',
    backbone=dict(
        type='SingleGridBackbone',
        stride=16,
        backbone=dict(
            type='TimmBackbone',
            model_name='swin_large_patch4_window12_384.ms_in22k',
            pretrained=True,
            drop_path_rate=0.2,
        ),
    ),
    decoder=dict(type='InvPTDecoder', head=dict(type='ConvHead')),
)
# Some parameters exist only so that published weights fit (see InvPTDecoder).
find_unused_parameters = True
