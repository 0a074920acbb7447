"""Optimisation: how parameters are grouped."""

from mtl3d.engine.optim.architecture_optim_wrapper import (
    ArchitectureOptimWrapper,
    ArchitectureOptimWrapperConstructor,
)
from mtl3d.engine.optim.layer_decay import LayerDecayConstructor

__all__ = [
    'ArchitectureOptimWrapper',
    'ArchitectureOptimWrapperConstructor',
    'LayerDecayConstructor',
]
