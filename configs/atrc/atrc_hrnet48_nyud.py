_base_ = './atrc_hrnet18s_nyud.py'
model = dict(
    backbone=dict(model_name='hrnet_w48.ms_in1k'),
    decoder=dict(genotype='nyud_hrnet48'),
)
