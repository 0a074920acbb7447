"""Use a trained model from Python."""

from mtl3d.apis.inference import inference_model, init_model
from mtl3d.apis.multi_task_inferencer import MultiTaskInferencer

__all__ = ['MultiTaskInferencer', 'inference_model', 'init_model']
