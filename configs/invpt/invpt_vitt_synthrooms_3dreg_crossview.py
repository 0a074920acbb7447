# Each image's volume is also rendered from the camera of another view of the room (exact poses).
_base_ = './invpt_vitt_synthrooms_3dreg.py'
train_dataloader = dict(
    dataset=dict(
        _delete_=True,
        type='TwoViewDataset',
        dataset=_base_.train_dataloader.dataset,
        max_distance=2,
        min_overlap=0.3,
    )
)
