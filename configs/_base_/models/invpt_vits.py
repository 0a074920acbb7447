# InvPT with ViT-S/16.
_base_ = './invpt_vitl.py'
model = dict(
    backbone=dict(model_name='vit_small_patch16_384.augreg_in21k_ft_in1k', out_blocks=(3, 6, 9))
)
