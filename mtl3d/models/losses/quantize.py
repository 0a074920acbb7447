"""Continuous labels as classes, for the auxiliary predictions of ATRC.

ATRC (Bruggemann et al., ICCV 2021) predicts depth and normals twice: as numbers, and as classes
whose probability maps select the regions of its label contexts. The class predictions are trained
by :func:`mtl3d.models.losses.cross_entropy` on these labels.
"""

import json
import math
from functools import cache
from pathlib import Path

import torch
from torch import Tensor

from mtl3d.structures.label_spec import IGNORE_INDEX, LABEL_SPECS
from mtl3d.utils.config import nearest


def quantize_depth(
    depth: Tensor, *, num_bins: int = 40, near: float = 0.7, far: float = 10.0
) -> Tensor:
    """Sort depth into bins of equal width in log depth.

    Args:
        depth: ``(N, 1, H, W)`` metres, 0 = no measurement.
        num_bins: Number of bins.
        near: Lower end of the first bin in metres; what is nearer falls into it too.
        far: Upper end of the last bin in metres; what is farther falls into it too.

    Returns:
        ``(N, 1, H, W)`` int64 in 0..num_bins-1, 255 = ignore.
    """
    valid = LABEL_SPECS['depth'].valid_mask(depth)
    position = torch.log(torch.where(valid, depth, near) / near) / math.log(far / near)
    bins = (num_bins * position).floor().clamp(0, num_bins - 1).long()
    return torch.where(valid, bins, IGNORE_INDEX)


def quantize_normals(normals: Tensor, centroids: Tensor) -> Tensor:
    """Find the nearest centroid (Euclidean) of each normal.

    Args:
        normals: ``(N, 3, H, W)`` unit vectors, a zero vector = no label.
        centroids: ``(K, 3)``, for instance from :func:`normal_centroids`.

    Returns:
        ``(N, 1, H, W)`` int64 in 0..K-1, 255 = ignore.
    """
    valid = LABEL_SPECS['normals'].valid_mask(normals)
    # |n - c|^2 = |n|^2 - 2 (n c - |c|^2 / 2), so the nearest centroid maximises the bracket.
    centroids = centroids.to(normals)
    # Autocast would round the products to 8 bits, which changes the class of 4 pixels in 1000.
    with torch.autocast(normals.device.type, enabled=False):
        score = torch.einsum('nchw,kc->nkhw', normals, centroids)
    score = score - centroids.square().sum(1).view(1, -1, 1, 1) / 2
    return torch.where(valid, score.argmax(1, keepdim=True), IGNORE_INDEX)


@cache
def _centroid_table() -> dict[str, list[list[float]]]:
    return json.loads(Path(__file__).with_name('normal_centroids.json').read_text())


def normal_centroids(dataset: str) -> Tensor:
    """Get the 40 normals into which ATRC quantises.

    Args:
        dataset: ``nyud`` or ``pascal``.

    Returns:
        ``(40, 3)`` float32 unit vectors.

    Raises:
        ValueError: There is no table for this data set.
    """
    table = _centroid_table()
    if dataset not in table:
        raise ValueError(f"dataset='{dataset}': {nearest(dataset, table)}")
    return torch.tensor(table[dataset], dtype=torch.float32)
