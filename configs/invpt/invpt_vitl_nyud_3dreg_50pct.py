# The paper's Table 7: 397 of the 795 training images, the same for both methods.
_base_ = './invpt_vitl_nyud_3dreg.py'
train_dataloader = dict(dataset=dict(data_fraction=0.5))
