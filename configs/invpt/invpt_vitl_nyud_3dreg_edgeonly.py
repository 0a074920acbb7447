# The paper's Table 6: only edge is rendered.
_base_ = './invpt_vitl_nyud_3dreg.py'
model = dict(regularizer=dict(tasks=('edge',)))
