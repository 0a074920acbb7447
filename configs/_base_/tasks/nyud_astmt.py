# NYUv2, four tasks, with ASTMT's loss weights. Its order and its 41st class (background) concern
# nothing but the discriminator and the evaluation; here there are 40 classes, as everywhere else.
tasks = dict(
    edge=dict(type='EdgeTask', loss_weight=50.0, positive_weight=0.8),
    semseg=dict(type='SemSegTask', num_classes=40, loss_weight=1.0),
    normals=dict(type='NormalsTask', loss_weight=10.0, reduction='element'),
    depth=dict(type='DepthTask', loss_weight=1.0),
)
