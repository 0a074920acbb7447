"""Use a trained model from Python.

The names are imported on first use: torch and timm take seconds, and a tool that is given a wrong
path answers at once.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mtl3d.apis.inference import inference_model, init_model
    from mtl3d.apis.multi_task_inferencer import MultiTaskInferencer

__all__ = ['MultiTaskInferencer', 'inference_model', 'init_model']

_MODULES = {
    'MultiTaskInferencer': 'mtl3d.apis.multi_task_inferencer',
    'inference_model': 'mtl3d.apis.inference',
    'init_model': 'mtl3d.apis.inference',
}


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f'module {__name__!r} has no attribute {name!r}')
    return getattr(import_module(_MODULES[name]), name)
