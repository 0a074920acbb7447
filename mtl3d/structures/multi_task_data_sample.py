"""One image's labels, predictions and description."""

from mmengine.structures import BaseDataElement, PixelData
from torch import Tensor


class MultiTaskDataSample(BaseDataElement):
    """Labels and predictions of one image, one :class:`PixelData` field per task.

    The layout of every field is given by :data:`mtl3d.structures.LABEL_SPECS`: class ids are
    ``(1, H, W)`` int64 with 255 = ignore; depth is ``(1, H, W)`` float32 in metres with 0 = no
    measurement; normals are ``(3, H, W)`` float32 unit vectors in the camera frame, x right, y up,
    z towards the viewer, with (0, 0, 0) = invalid; edge and saliency are ``(1, H, W)`` float32,
    0 / 1 with 255 = ignore as labels and probabilities as predictions. A task that is not annotated
    has no field.

    Metainfo: ``img_id``, ``img_path``, ``ori_shape`` (H, W) of the file, ``img_shape`` (H, W) after
    the pipeline, ``flip``, ``scale_factor``; the preprocessor adds ``batch_input_shape`` and
    ``padding`` (left, top, right, bottom in pixels). Where the camera is known also ``intrinsics``
    (3, 3), of the image at ``img_shape`` (padded: at ``batch_input_shape``), and ``pose`` (4, 4),
    camera to world. With a second view also ``relative_pose`` (4, 4), from the second camera's
    coordinates to this one's, in metres.

    Attributes:
        gt: Labels, at ``img_shape``.
        pred: Predictions of the decoder's heads, at ``ori_shape``.
        pred_regularizer: Predictions rendered by the regularizer, at ``ori_shape``; on request.
        pred_average: The mean of both (Table 5 of the paper), at ``ori_shape``; on request.
        second: Another view of the same scene: a sample with its own ``gt`` and camera.
        image: Of a second view, where the pipeline keeps it: ``(3, H, W)`` RGB in 0..255, and
            normalised like the inputs after the preprocessor.
    """

    gt: PixelData
    pred: PixelData
    pred_regularizer: PixelData
    pred_average: PixelData
    second: 'MultiTaskDataSample'
    image: Tensor
