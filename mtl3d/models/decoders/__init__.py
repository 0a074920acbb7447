"""Decoders: shared features in, one prediction per task out. One file per method."""

from mtl3d.models.decoders.base import DecoderOutput
from mtl3d.models.decoders.invpt import InvPTDecoder

__all__ = ['DecoderOutput', 'InvPTDecoder']
