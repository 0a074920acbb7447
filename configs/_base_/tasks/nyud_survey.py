# NYUv2, four tasks, with the loss weights of the survey and MTI-Net and in their order, in which
# FPM concatenates. Their loss of normals is a mean over the components.
tasks = dict(
    semseg=dict(type='SemSegTask', num_classes=40, loss_weight=1.0),
    normals=dict(type='NormalsTask', loss_weight=10.0, reduction='element'),
    edge=dict(type='EdgeTask', loss_weight=50.0, positive_weight=0.95),
    depth=dict(type='DepthTask', loss_weight=1.0),
)
