"""Losses as pure functions: tensors in, a scalar out; no registry, no state."""

from mtl3d.models.losses.balanced_bce import balanced_bce, two_class_logit
from mtl3d.models.losses.cross_entropy import cross_entropy
from mtl3d.models.losses.l1 import l1, normals_l1
from mtl3d.models.losses.pairwise import pairwise_l1, sample_pairs
from mtl3d.models.losses.quantize import normal_centroids, quantize_depth, quantize_normals

__all__ = [
    'balanced_bce',
    'cross_entropy',
    'l1',
    'normal_centroids',
    'normals_l1',
    'pairwise_l1',
    'quantize_depth',
    'quantize_normals',
    'sample_pairs',
    'two_class_logit',
]
