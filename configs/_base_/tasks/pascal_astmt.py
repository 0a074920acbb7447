# PASCAL-Context, five tasks, with ASTMT's loss weights and order.
tasks = dict(
    edge=dict(type='EdgeTask', loss_weight=50.0, positive_weight=0.95),
    semseg=dict(type='SemSegTask', num_classes=21, loss_weight=1.0),
    human_parts=dict(type='HumanPartsTask', num_classes=7, loss_weight=2.0),
    normals=dict(type='NormalsTask', loss_weight=10.0, reduction='element'),
    saliency=dict(type='SaliencyTask', num_channels=1, loss_weight=5.0),
)
