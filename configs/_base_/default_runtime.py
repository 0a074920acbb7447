# What every run shares: hooks, logs, random seed.
default_scope = 'mtl3d'
default_hooks = dict(
    timer=dict(type='IterTimerHook'),
    logger=dict(type='LoggerHook', interval=50, log_metric_by_epoch=False),
    param_scheduler=dict(type='ParamSchedulerHook'),
    checkpoint=dict(
        type='AtomicCheckpointHook',
        interval=1000,
        max_keep_ckpts=2,
        save_best='multi_task/delta_m',
        rule='greater',
    ),
    sampler_seed=dict(type='DistSamplerSeedHook'),
    sync_statistics=dict(type='SyncStatisticsHook'),
    plain_checkpoint=dict(type='PlainCheckpointHook'),
    random_state=dict(type='RandomStateHook'),
    interrupt=dict(type='InterruptHook'),
    results_table=dict(type='ResultsTableHook'),
)
log_processor = dict(type='MultiTaskLogProcessor')
# No name: a second run in the same process would write into the first one's folder.
visualizer = dict(
    type='Visualizer',
    vis_backends=[dict(type='LocalVisBackend'), dict(type='TensorboardVisBackend')],
)
env_cfg = dict(
    cudnn_benchmark=True,
    mp_cfg=dict(mp_start_method='fork', opencv_num_threads=0),
    dist_cfg=dict(backend='nccl'),
)
# Deterministic CUDA kernels are missing for the backward pass of grid_sample and interpolate.
randomness = dict(seed=0, deterministic=False)
log_level = 'INFO'
load_from = None
resume = False
