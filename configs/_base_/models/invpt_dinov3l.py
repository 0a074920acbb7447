# InvPT with DINOv3 ViT-L/16. Its position encoding is rotary: any image size. The weights have a
# licence of their own.
_base_ = './invpt_vitl.py'
model = dict(backbone=dict(model_name='vit_large_patch16_dinov3.lvd1689m'))
