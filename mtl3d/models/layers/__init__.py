"""Building blocks that several decoders share."""

from mtl3d.models.layers.context_pooling import CONTEXTS, Context, ContextPooling, MixedContext
from mtl3d.models.layers.conv_norm_act import ConvNormAct
from mtl3d.models.layers.feature_propagation import FeaturePropagation
from mtl3d.models.layers.multi_modal_distillation import MultiModalDistillation
from mtl3d.models.layers.relational_context import RelationalContext
from mtl3d.models.layers.residual_block import basic_block, bottleneck_block
from mtl3d.models.layers.tokens import map_to_tokens, tokens_to_map

__all__ = [
    'CONTEXTS',
    'Context',
    'ContextPooling',
    'ConvNormAct',
    'FeaturePropagation',
    'MixedContext',
    'MultiModalDistillation',
    'RelationalContext',
    'basic_block',
    'bottleneck_block',
    'map_to_tokens',
    'tokens_to_map',
]
