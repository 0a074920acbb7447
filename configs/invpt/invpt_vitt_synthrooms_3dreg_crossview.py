# Each image's volume is also rendered from the camera of another view of the room (exact poses).
_base_ = './invpt_vitt_synthrooms.py'
model = dict(
    regularizer=dict(type='TriplaneRegularizer', features=-1, render_size=(24, 32), num_samples=32)
)
# The paper's ramp reaches its end at half of the iterations; here likewise.
custom_hooks = [dict(type='AlphaRampHook', end=125, stop=4.0)]
train_dataloader = dict(
    dataset=dict(
        _delete_=True,
        type='TwoViewDataset',
        dataset=_base_.train_dataloader.dataset,
        max_distance=2,
        min_overlap=0.3,
    )
)
