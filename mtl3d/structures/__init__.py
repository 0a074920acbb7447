"""What travels between data set, model, metrics and drawing."""

from mtl3d.structures.label_spec import LABEL_SPECS, LabelSpec
from mtl3d.structures.multi_task_data_sample import MultiTaskDataSample

__all__ = ['LABEL_SPECS', 'LabelSpec', 'MultiTaskDataSample']
