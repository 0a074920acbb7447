"""Encoders of methods that tell the tasks apart before the decoder."""

from mtl3d.models.encoders.astmt import ASTMTEncoder
from mtl3d.models.encoders.base import TaskFeatures, shared_features
from mtl3d.models.encoders.mixing import CrossStitchEncoder, NDDREncoder
from mtl3d.models.encoders.mtan import MTANEncoder

__all__ = [
    'ASTMTEncoder',
    'CrossStitchEncoder',
    'MTANEncoder',
    'NDDREncoder',
    'TaskFeatures',
    'shared_features',
]
