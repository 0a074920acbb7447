# InvPT with RADIOv3 ViT-L/16. RADIO wants its own mean and deviation of the input; set in the leaf
# config's preprocessor.
_base_ = './invpt_vitl.py'
model = dict(backbone=dict(model_name='vit_large_patch16_radio_v3.c_radio'))
