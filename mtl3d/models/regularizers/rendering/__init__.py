"""Volume rendering of task fields on a tri-plane: pure functions, one interface, several backends.

All backends compute the same numbers; see :func:`render`.
"""

from mtl3d.models.regularizers.rendering.cameras import (
    Cameras,
    camera_rays,
    metric_depth,
    termination_depth,
)
from mtl3d.models.regularizers.rendering.dispatch import BACKENDS, Backend, render
from mtl3d.models.regularizers.rendering.scene import (
    FieldWeights,
    GridRays,
    PaddingMode,
    PointRays,
    Rendering,
    TriPlane,
    grid_rays,
    normalized,
)

__all__ = [
    'BACKENDS',
    'Backend',
    'Cameras',
    'FieldWeights',
    'GridRays',
    'PaddingMode',
    'PointRays',
    'Rendering',
    'TriPlane',
    'camera_rays',
    'grid_rays',
    'metric_depth',
    'normalized',
    'render',
    'termination_depth',
]
