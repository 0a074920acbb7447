# The same pyramid with DINOv2 ViT-L, its patches of 14 resampled to 16 (see invpt_dinov2l.py).
_base_ = './pyramid_dinov3l.py'
model = dict(
    backbone=dict(
        backbone=dict(
            model_name='vit_large_patch14_dinov2.lvd142m',
            model_kwargs=dict(patch_size=16),
        )
    )
)
