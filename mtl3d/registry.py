"""All registries of mtl3d: one child of every MMEngine root, plus :data:`TASKS`.

Each registry knows the sub-package in which its members live and imports it on first use, so users
need neither ``register_all_modules`` nor ``custom_imports`` for the parts of this package. A
missing child would make MMEngine log a warning for each build, hence all of them are defined.

Configs are checked before anything is built: see :func:`mtl3d.utils.config.build_checked`.
"""

from typing import Any

from mmengine import registry as root
from mmengine.registry import Registry

from mtl3d.utils.config import build_checked

SCOPE = 'mtl3d'


def _child(parent: Registry, *locations: str) -> Registry:
    """Make the mtl3d child of an MMEngine root registry."""
    kwargs: dict[str, Any] = dict(parent=parent, scope=SCOPE, locations=list(locations))
    return Registry(parent.name, build_func=build_checked(parent.build_func), **kwargs)


RUNNERS = _child(root.RUNNERS, 'mtl3d.engine')
RUNNER_CONSTRUCTORS = _child(root.RUNNER_CONSTRUCTORS, 'mtl3d.engine')
LOOPS = _child(root.LOOPS, 'mtl3d.engine')
HOOKS = _child(root.HOOKS, 'mtl3d.engine', 'mtl3d.visualization')
STRATEGIES = _child(root.STRATEGIES, 'mtl3d.engine')
DATASETS = _child(root.DATASETS, 'mtl3d.datasets')
DATA_SAMPLERS = _child(root.DATA_SAMPLERS, 'mtl3d.datasets')
TRANSFORMS = _child(root.TRANSFORMS, 'mtl3d.datasets.transforms')
MODELS = _child(root.MODELS, 'mtl3d.models')
MODEL_WRAPPERS = _child(root.MODEL_WRAPPERS, 'mtl3d.models')
WEIGHT_INITIALIZERS = _child(root.WEIGHT_INITIALIZERS, 'mtl3d.models')
OPTIMIZERS = _child(root.OPTIMIZERS, 'mtl3d.engine')
OPTIM_WRAPPERS = _child(root.OPTIM_WRAPPERS, 'mtl3d.engine')
OPTIM_WRAPPER_CONSTRUCTORS = _child(root.OPTIM_WRAPPER_CONSTRUCTORS, 'mtl3d.engine')
PARAM_SCHEDULERS = _child(root.PARAM_SCHEDULERS, 'mtl3d.engine')
METRICS = _child(root.METRICS, 'mtl3d.evaluation.metrics')
EVALUATOR = _child(root.EVALUATOR, 'mtl3d.evaluation.multi_task_evaluator')
TASK_UTILS = _child(root.TASK_UTILS, 'mtl3d.models')
VISUALIZERS = _child(root.VISUALIZERS, 'mtl3d.visualization')
VISBACKENDS = _child(root.VISBACKENDS, 'mtl3d.visualization')
LOG_PROCESSORS = _child(root.LOG_PROCESSORS, 'mtl3d.engine')
INFERENCERS = _child(root.INFERENCERS, 'mtl3d.apis')
FUNCTIONS = _child(root.FUNCTIONS, 'mtl3d.models')

TASKS = Registry(
    'task', build_func=build_checked(root.MODELS.build_func), scope=SCOPE,
    locations=['mtl3d.models.tasks'],
)  # fmt: skip
