"""Regularizers: a second prediction per task from the shared features, in training only."""

from mtl3d.models.regularizers.auxiliary_heads import AuxiliaryHeads
from mtl3d.models.regularizers.rendering_upsampler import RenderingUpsampler
from mtl3d.models.regularizers.triplane import TriplaneRegularizer

__all__ = ['AuxiliaryHeads', 'RenderingUpsampler', 'TriplaneRegularizer']
