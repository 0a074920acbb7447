"""Intersection over union of class maps.

Statistics of an image: int64 ``(3, C)``, per class the pixels where prediction and label agree
("intersection"), the pixels predicted, and the pixels labelled; only labelled pixels count. They
add up over images.
"""

import numpy as np

IGNORE_INDEX = 255


def image_statistics(pred: np.ndarray, gt: np.ndarray, *, num_classes: int) -> np.ndarray:
    """Count one image's pixels per class.

    Args:
        pred: Class ids, integers of any shape; they must be classes where ``gt`` is labelled.
        gt: Class ids of the same shape, 255 = ignore.
        num_classes: C.

    Returns:
        ``(3, C)`` int64: intersection, predicted, labelled.

    Raises:
        ValueError: A class id lies outside 0..C-1.
    """
    valid = gt != IGNORE_INDEX
    predicted, labelled = pred[valid].astype(np.int64), gt[valid].astype(np.int64)
    for what, ids in (('prediction', predicted), ('label', labelled)):
        wrong = ids[(ids < 0) | (ids >= num_classes)]
        if len(wrong):
            raise ValueError(
                f'The {what} holds class id {wrong[0]}, but there are {num_classes} classes'
            )
    agreeing = labelled[predicted == labelled]
    counts = [np.bincount(ids, minlength=num_classes) for ids in (agreeing, predicted, labelled)]
    return np.stack(counts).astype(np.int64)


def class_iou(stats: np.ndarray) -> np.ndarray:
    """Compute the pooled IoU of every class.

    Args:
        stats: ``(N, 3, C)``, from :func:`image_statistics`.

    Returns:
        ``(C,)`` in percent; NaN where a class is neither predicted nor labelled.
    """
    intersection, predicted, labelled = stats.sum(axis=0).astype(np.float64)
    union = predicted + labelled - intersection
    return 100 * np.divide(intersection, union, out=np.full_like(union, np.nan), where=union > 0)


def summarize(stats: np.ndarray, *, protocol: str = 'published') -> dict[str, float]:
    """Compute the scores of a set of images.

    Args:
        stats: ``(N, 3, C)``, from :func:`image_statistics`.
        protocol: ``published`` and ``survey`` average the IoU over all C classes, a class that
            occurs nowhere counting as 0 (InvPT, ATRC, the survey); ``clean`` averages over the
            classes that occur in the labels, so that a class the data does not have costs
            nothing.

    Returns:
        In percent: ``mIoU``, ``pixel_accuracy`` and ``mean_accuracy`` (the recall averaged over
        the classes that occur in the labels). NaN where no pixel is labelled.
    """
    intersection, _, labelled = stats.sum(axis=0).astype(np.float64)
    present = labelled > 0
    if not present.any():
        return dict(mIoU=np.nan, pixel_accuracy=np.nan, mean_accuracy=np.nan)
    iou = class_iou(stats)
    scored = iou[present] if protocol == 'clean' else np.nan_to_num(iou)
    return dict(
        mIoU=float(scored.mean()),
        pixel_accuracy=float(100 * intersection.sum() / labelled.sum()),
        mean_accuracy=float(100 * (intersection[present] / labelled[present]).mean()),
    )
