"""Optimisation: how parameters are grouped."""

from mtl3d.engine.optim.layer_decay import LayerDecayConstructor

__all__ = ['LayerDecayConstructor']
