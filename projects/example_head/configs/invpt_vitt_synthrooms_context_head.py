_base_ = '../../../configs/invpt/invpt_vitt_synthrooms_3dreg.py'
custom_imports = dict(imports=['projects.example_head.context_head'], allow_failed_imports=False)
# The one line that matters: depth gets the custom head, all other tasks keep InvPT's own.
model = dict(decoder=dict(heads=dict(depth=dict(type='ContextHead', rates=(1, 2, 4)))))
