_base_ = ['../_base_/models/hrnet48.py', '../_base_/recipes/atrc_pascal.py']
# No genotype was published for this backbone; the one found with HRNet-W18-small is used.
model = dict(
    data_preprocessor=dict(type='MultiTaskDataPreprocessor', size=(512, 512)),
    decoder=dict(type='ATRCDecoder', genotype='pascal_hrnet18s'),
    tasks=_base_.tasks,
    auxiliary_tasks=_base_.auxiliary_tasks,
)
