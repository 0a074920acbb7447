_base_ = './atrc_hrnet18s_pascal.py'
# No genotype was published for this backbone; the one found with HRNet-W18-small is used.
model = dict(backbone=dict(model_name='hrnet_w48.ms_in1k'))
