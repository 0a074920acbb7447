# The last row of Table 3: each frame's volume is also rendered from a neighbouring frame's camera.
_base_ = './invpt_vitl_nyudvideo.py'
model = dict(regularizer=dict(type='TriplaneRegularizer', features=-1, render_size=(56, 72)))
custom_hooks = [dict(type='AlphaRampHook', end=20000, stop=4.0)]
train_dataloader = dict(
    dataset=dict(
        _delete_=True,
        type='TwoViewDataset',
        dataset=dict(
            **_base_.train_dataloader.dataset,
            cameras='{{$CAMERAS:data/nyud_video/cameras}}',
        ),
        max_distance=10,
        min_overlap=0.3,
    )
)
