_base_ = './atrc_hrnet18s_pascal.py'
# The search ends with genotype.json in its work dir. Train what it has found from scratch by
#     python tools/train.py configs/atrc/atrc_hrnet18s_pascal.py --cfg-options \
#         model.decoder.genotype=work_dirs/atrc_search_hrnet18s_pascal/genotype.json
model = dict(decoder=dict(_delete_=True, type='ATRCSearchDecoder'))
optim_wrapper = dict(
    type='ArchitectureOptimWrapper',
    constructor='ArchitectureOptimWrapperConstructor',
    architecture_optimizer=dict(type='Adam', lr=5e-4),
    clip_grad=dict(max_norm=10.0),
)
custom_hooks = [dict(type='RelationSearchHook'), dict(type='GenotypeHook')]
