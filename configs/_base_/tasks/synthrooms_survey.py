# SynthRooms, all six tasks, with the loss weights and the order of the survey.
tasks = dict(
    semseg=dict(type='SemSegTask', num_classes=21, loss_weight=1.0),
    human_parts=dict(type='HumanPartsTask', num_classes=7, loss_weight=2.0),
    saliency=dict(type='SaliencyTask', num_channels=1, loss_weight=5.0),
    normals=dict(type='NormalsTask', loss_weight=10.0, reduction='element'),
    edge=dict(type='EdgeTask', loss_weight=50.0, positive_weight=0.95),
    depth=dict(type='DepthTask', loss_weight=1.0),
)
