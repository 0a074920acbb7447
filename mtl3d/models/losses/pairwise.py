"""How pixels of an image relate to each other, in the prediction and in the label."""

import torch
import torch.nn.functional as F
from torch import Tensor

from mtl3d.structures.label_spec import LabelSpec


def sample_pairs(logits: Tensor, label: Tensor, num_pairs: int) -> tuple[Tensor, Tensor]:
    """Look up predictions and labels at both ends of random pairs of pixels.

    The label's pixels are drawn uniformly and independently, for every image anew, from torch's
    global generator. The values are those of predictions resized bilinearly to the label.

    Args:
        logits: ``(N, C, h, w)`` floating-point maps, at any resolution.
        label: ``(N, c, H, W)``.
        num_pairs: The number P of pairs per image.

    Returns:
        The predictions ``(N, C, 2, P)`` and the labels ``(N, c, 2, P)``; row 0 holds one end of
        each pair, row 1 the other.
    """
    images, _, height, width = label.shape
    pixels = torch.randint(height * width, (images, 2, num_pairs), device=label.device)
    rows, columns = pixels // width, pixels % width
    x, y = (2 * columns.to(logits) + 1) / width - 1, (2 * rows.to(logits) + 1) / height - 1
    grid = torch.stack([x, y], dim=-1)
    # At the border as F.interpolate does it, which repeats the outermost values.
    values = F.grid_sample(logits, grid, padding_mode='border', align_corners=False)
    image = torch.arange(images, device=label.device).view(-1, 1, 1)
    return values, label[image, :, rows, columns].movedim(-1, 1)


def pairwise_l1(prediction: Tensor, label: Tensor, spec: LabelSpec) -> Tensor:
    """Compare the relation of two pixels in the prediction with that in the label.

    The relation of continuous values is their difference, ``|(p_i - p_j) - (g_i - g_j)|`` summed
    over the channels; that of classes is whether they are the same, ``|sum_c p_ic p_jc - [g_i =
    g_j]|``, where the sum is the probability that independent draws at i and j agree. The mean is
    over the pairs whose both ends have a label.

    Source: the pair-wise affinity loss of PAP (Zhang et al., CVPR 2019), as far as it is known to
    us: see :class:`~mtl3d.models.decoders.PAPDecoder`. The absolute error of the equality and the
    mean over all pairs of the batch are our choice.

    Args:
        prediction: ``(N, C, 2, P)`` activated values at both ends of P pairs: probabilities of the
            classes, the probability of the positive class, or the label's quantity in its unit.
        label: ``(N, c, 2, P)`` in the layout of ``spec``.
        spec: How the label is stored.

    Returns:
        A scalar; zero, with a graph, where no pair is valid.

    Raises:
        ValueError: A continuous label and its prediction differ in channels.
    """
    valid = spec.valid_mask(label).all(dim=-2)
    p_i, p_j = prediction.unbind(dim=-2)
    g_i, g_j = label.unbind(dim=-2)
    if spec.kind == 'continuous':
        if prediction.shape[1] != label.shape[1]:
            raise ValueError(
                f'The prediction has {prediction.shape[1]} channels, its label {label.shape[1]}: '
                'differences of pixels cannot be compared. Set pair_weight=0 of the decoder, or '
                'let the task predict the quantity itself'
            )
        error = (p_i - p_j) - (g_i - g_j)
    else:
        agreement = (p_i * p_j).sum(dim=1, keepdim=True)
        if spec.kind == 'binary':
            agreement = agreement + (1 - p_i) * (1 - p_j)
        error = agreement - (g_i == g_j).to(agreement)
    total = torch.where(valid, error.abs(), 0.0).sum()
    return total / valid.sum().clamp(min=1)
