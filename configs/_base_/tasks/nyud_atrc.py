# NYUv2, four tasks, as ATRC weighs them: boundary pixels count 0.8 against 0.2 of the others. The
# order is the decoder's task order.
tasks = dict(
    semseg=dict(type='SemSegTask', num_classes=40, loss_weight=1.0),
    depth=dict(type='DepthTask', loss_weight=1.0),
    normals=dict(type='NormalsTask', loss_weight=10.0),
    edge=dict(type='EdgeTask', loss_weight=50.0, positive_weight=0.8),
)
# ATRC's label regions: there, these tasks predict classes.
auxiliary_tasks = dict(
    depth=dict(type='QuantizedDepthTask', loss_weight=1.0),
    normals=dict(type='QuantizedNormalsTask', dataset='nyud', loss_weight=10.0),
    edge=dict(type='EdgeTask', num_channels=2, loss_weight=50.0, positive_weight=0.8),
)
