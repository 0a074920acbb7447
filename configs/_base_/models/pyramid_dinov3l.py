# A pyramid of strides 4 to 32 made from four maps of DINOv3 ViT-L/16.
# Its position encoding is rotary: any image size. The weights have a licence of their own.
# The image size comes from the data set's part of the config.
model = dict(
    type='MultiTaskModel',
    backbone=dict(
        type='PyramidBackbone',
        channels=(64, 128, 256, 512),
        backbone=dict(
            type='TimmBackbone',
            model_name='vit_large_patch16_dinov3.lvd1689m',
            pretrained=True,
            out_blocks=(6, 12, 18),
            drop_path_rate=0.15,
        ),
    ),
)
