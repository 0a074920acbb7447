"""Decoders: shared features in, one prediction per task out. One file per method."""

from mtl3d.models.decoders.astmt import ASTMTDecoder
from mtl3d.models.decoders.atrc import ATRCDecoder
from mtl3d.models.decoders.atrc_search import ATRCSearchDecoder
from mtl3d.models.decoders.base import DecoderOutput, HasExtraLosses
from mtl3d.models.decoders.invpt import InvPTDecoder
from mtl3d.models.decoders.mti_net import MTINetDecoder
from mtl3d.models.decoders.pad_net import PADNetDecoder
from mtl3d.models.decoders.pap import PAPDecoder
from mtl3d.models.decoders.psd import PSDDecoder
from mtl3d.models.decoders.single_heads import SingleHeadsDecoder

__all__ = [
    'ATRCDecoder',
    'ATRCSearchDecoder',
    'ASTMTDecoder',
    'DecoderOutput',
    'HasExtraLosses',
    'InvPTDecoder',
    'MTINetDecoder',
    'PADNetDecoder',
    'PAPDecoder',
    'PSDDecoder',
    'SingleHeadsDecoder',
]
