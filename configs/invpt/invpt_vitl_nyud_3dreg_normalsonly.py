# The paper's Table 6: only normals is rendered.
_base_ = './invpt_vitl_nyud_3dreg.py'
model = dict(regularizer=dict(tasks=('normals',)))
