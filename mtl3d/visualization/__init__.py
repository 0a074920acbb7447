"""Pictures of labels, predictions and training."""

from mtl3d.visualization.browse import draw_item
from mtl3d.visualization.colors import colorize
from mtl3d.visualization.curves import draw_curves, read_scalars
from mtl3d.visualization.hook import MultiTaskVisualizationHook
from mtl3d.visualization.panel import draw_panel, sample_rows

__all__ = [
    'MultiTaskVisualizationHook',
    'colorize',
    'draw_curves',
    'draw_item',
    'draw_panel',
    'read_scalars',
    'sample_rows',
]
