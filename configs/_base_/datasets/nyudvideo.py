# NYUv2's labelled training images and frames of its videos, which have depth only; evaluation as
# on NYUv2. The cameras come from tools/dataset_converters/nyud_video.py (docs/cross_view.md).
_base_ = './nyud.py'
train_dataloader = dict(
    dataset=dict(
        type='NYUDv2VideoDataset',
        video_root='{{$VIDEO_ROOT:data/nyud_video}}',
        # About half of the drawn images are labelled: 795 x 60 against some 50 000 frames.
        labelled_repeat=60,
    )
)
