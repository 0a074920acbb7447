"""Multi-task dense prediction with 3D-aware regularization.

``import mtl3d`` is cheap on purpose: it imports neither torch nor a model. The registries in
:mod:`mtl3d.registry` know where their members live and import them on first use.
"""

from mtl3d.version import __version__

__all__ = ['__version__']
