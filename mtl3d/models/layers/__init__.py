"""Building blocks that several decoders share."""

from mtl3d.models.layers.conv_norm_act import ConvNormAct
from mtl3d.models.layers.tokens import map_to_tokens, tokens_to_map

__all__ = ['ConvNormAct', 'map_to_tokens', 'tokens_to_map']
