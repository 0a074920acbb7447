# InvPT with DINOv2 ViT-L. Its patches of 14 do not divide the sizes that InvPT needs (multiples of
# 64 for patches of 16): the projection is resampled to 16 x 16 when the weights are loaded.
_base_ = './invpt_vitl.py'
model = dict(
    backbone=dict(
        model_name='vit_large_patch14_dinov2.lvd142m',
        model_kwargs=dict(patch_size=16),
    )
)
