"""Shared encoders: images in, a tuple of features out."""

from mtl3d.models.backbones.grids import PyramidBackbone, SingleGridBackbone
from mtl3d.models.backbones.timm_backbone import TimmBackbone

__all__ = ['PyramidBackbone', 'SingleGridBackbone', 'TimmBackbone']
