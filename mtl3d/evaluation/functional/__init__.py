"""Evaluation as plain functions on arrays: no registry, no state, usable alone.

Every module reduces one image to a small array (``image_statistics``) and a stack of such arrays to
named numbers (``summarize``)::

    stats = np.stack([depth.image_statistics(pred, gt) for pred, gt in pairs])
    depth.summarize(stats)                      # {'rmse': ..., 'abs_rel': ..., ...}
    bootstrap(stats, depth.summarize)           # {'rmse': (low, high), ...}
"""

from mtl3d.evaluation.functional import depth, normals, saliency, segmentation
from mtl3d.evaluation.functional.bootstrap import bootstrap
from mtl3d.evaluation.functional.delta_m import delta_m

__all__ = ['bootstrap', 'delta_m', 'depth', 'normals', 'saliency', 'segmentation']
