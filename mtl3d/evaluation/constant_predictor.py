"""The best prediction that never looks at the image: the floor that every model has to beat."""

from collections.abc import Iterable

import torch
from mmengine.evaluator import Evaluator
from mmengine.structures import PixelData
from torch import Tensor

from mtl3d.structures import LABEL_SPECS, MultiTaskDataSample


def fit_constants(samples: Iterable[MultiTaskDataSample]) -> dict[str, Tensor]:
    """Find the best constant of each task.

    Class ids: the most frequent class. Directions: the normalised mean vector. Everything else:
    the mean over all valid pixels, which minimises the squared error (depth) and the cross-entropy
    (the frequency of edges and salient pixels).

    Args:
        samples: Training samples with ``gt``.

    Returns:
        Task -> ``(c, 1, 1)`` constant in the label's layout.
    """
    sums: dict[str, Tensor] = {}
    counts: dict[str, int] = {}
    for sample in samples:
        for task, label in sample.gt.items():
            spec = LABEL_SPECS[task]
            values = label[:, spec.valid_mask(label)[0]]
            if spec.kind == 'class':
                total = torch.bincount(values[0], minlength=256)
            else:
                total = values.double().sum(dim=1)
            sums[task] = sums.get(task, torch.zeros_like(total)) + total
            counts[task] = counts.get(task, 0) + values.shape[1]
    constants = {}
    for task, total in sums.items():
        spec = LABEL_SPECS[task]
        if spec.kind == 'class':
            constant = total.argmax().view(1)
        elif spec.is_direction:
            constant = torch.nn.functional.normalize(total, dim=0)
        else:
            constant = total / max(counts[task], 1)
        constants[task] = constant.to(spec.dtype).view(-1, 1, 1)
    return constants


def predict_constants(constants: dict[str, Tensor], shape: tuple[int, int]) -> PixelData:
    """Spread the constants over an image.

    Args:
        constants: From :func:`fit_constants`.
        shape: (H, W).

    Returns:
        A prediction with one ``(c, H, W)`` field per task.
    """
    return PixelData(**{task: value.expand(-1, *shape) for task, value in constants.items()})


def score_constants(
    train: Iterable[dict], val: Iterable[dict], evaluator: Evaluator
) -> dict[str, float]:
    """Score the best constants of one split on another.

    Args:
        train: Items ``dict(inputs=..., data_samples=...)`` to fit the constants to, not augmented.
        val: Items to score them on.
        evaluator: The evaluator of the model that is to be compared; its ``dataset_meta`` is set.

    Returns:
        The evaluator's metrics.
    """
    constants = fit_constants(item['data_samples'] for item in train)
    count = 0
    for item in val:
        sample: MultiTaskDataSample = item['data_samples']
        sample.pred = predict_constants(constants, sample.ori_shape)
        evaluator.process(data_samples=[sample], data_batch=None)
        count += 1
    return evaluator.evaluate(count)
