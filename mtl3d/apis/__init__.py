"""Use a trained model from Python.

The names are imported on first use: torch and timm take seconds, and a tool that is given a wrong
path answers at once.
"""

from typing import TYPE_CHECKING

from mtl3d.utils.lazy import lazy_attributes

if TYPE_CHECKING:
    from mtl3d.apis.inference import inference_model, init_model
    from mtl3d.apis.multi_task_inferencer import MultiTaskInferencer

__all__ = ['MultiTaskInferencer', 'inference_model', 'init_model']

__getattr__ = lazy_attributes(
    __name__,
    {
        'MultiTaskInferencer': 'mtl3d.apis.multi_task_inferencer',
        'inference_model': 'mtl3d.apis.inference',
        'init_model': 'mtl3d.apis.inference',
    },
)
