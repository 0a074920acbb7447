# The paper's Table 7: 198 of the 795 training images, the same for both methods.
_base_ = './invpt_vitl_nyud.py'
train_dataloader = dict(dataset=dict(data_fraction=0.25))
