# PASCAL-Context, five tasks, as in pascal.py.
_base_ = './pascal.py'
# ATRC's label regions: there, these tasks predict classes.
auxiliary_tasks = dict(
    normals=dict(type='QuantizedNormalsTask', dataset='pascal', loss_weight=10.0),
    edge=dict(type='EdgeTask', num_channels=2, loss_weight=50.0, positive_weight=0.95),
)
