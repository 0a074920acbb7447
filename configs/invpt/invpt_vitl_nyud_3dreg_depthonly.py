# The paper's Table 6: only depth is rendered.
_base_ = './invpt_vitl_nyud_3dreg.py'
model = dict(regularizer=dict(tasks=('depth',)))
