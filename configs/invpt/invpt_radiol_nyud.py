_base_ = ['../_base_/models/invpt_radiol.py', '../_base_/recipes/invpt_finetune_nyud.py']
model = dict(
    data_preprocessor=dict(
        type='MultiTaskDataPreprocessor',
        size=(448, 576),
        # RADIO's own, those of CLIP.
        mean=(122.7709, 116.7460, 104.0937),
        std=(68.5005, 66.6322, 70.3232),
    ),
    backbone=dict(img_size=(448, 576)),
    tasks=_base_.tasks,
)
