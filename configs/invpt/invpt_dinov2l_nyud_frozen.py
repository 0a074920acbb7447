# The foundation model as it is: only the decoder learns, all at one rate.
_base_ = './invpt_dinov2l_nyud.py'
model = dict(backbone=dict(frozen=True, drop_path_rate=0.0))
optim_wrapper = dict(constructor='DefaultOptimWrapperConstructor', paramwise_cfg=None)
