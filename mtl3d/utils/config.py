"""Checks of a config, made before anything is built; the errors name the nearest valid key."""

import difflib
import inspect
import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import wraps
from typing import Any

from mmengine.registry import Registry

#: Top-level keys that the Runner reads from the config itself, beyond its constructor's arguments,
#: and those that our tools read.
RUNNER_EXTRAS = frozenset(
    {
        'custom_imports', 'efficient_conv_bn_eval', 'find_unused_parameters', 'model_wrapper_cfg',
        'sync_bn',
    }
)  # fmt: skip
#: Top-level variables that config files use to say something once. A file that needs another one
#: starts its name with an underscore.
HELPER_VARIABLES = frozenset(
    {
        'auxiliary_tasks', 'baseline', 'batch_size', 'crop_size', 'data_root', 'dataset_type',
        'img_size', 'max_iters', 'metrics', 'num_workers', 'tasks',
    }
)  # fmt: skip
#: Keys that the Runner takes out of a component's config before it builds the component.
CONSUMED_KEYS = {
    'hook': frozenset({'priority'}),
    'optim_wrapper': frozenset({'constructor', 'paramwise_cfg'}),
    'parameter scheduler': frozenset({'convert_to_iter_based'}),
}
#: Whole numbers that are used late, in errors that do not name the key -> the smallest valid one.
SMALLEST = {
    'max_iters': 1,
    **{
        f'{split}_dataloader.{key}': smallest
        for split in ('train', 'val', 'test')
        for key, smallest in (('batch_size', 1), ('num_workers', 0))
    },
}
LOG_LEVELS = ('DEBUG', 'INFO', 'WARNING', 'ERROR', 'CRITICAL')
#: Keys that point to a better way.
REPLACED_KEYS = {
    'activation_checkpointing': (
        "it gives a backbone no gradients; use custom_hooks = [dict(type='ActivationCheckpointing"
        "Hook', targets=[...])]"
    ),
    'compile': (
        'it compiles again for every sample; use custom_hooks = '
        "[dict(type='CompileHook', targets=[...])]"
    ),
}


def nearest(name: str, candidates: Iterable[str], count: int = 3) -> str:
    """Say which of the valid names the user probably meant.

    Args:
        name: The name that was not found.
        candidates: All valid names.
        count: How many of the closest names to list.

    Returns:
        A sentence for the end of an error message: the closest names, or, where nothing comes
        close, all of them.
    """
    valid = sorted(candidates)
    if not valid:
        return 'It takes none.'
    close = difflib.get_close_matches(name, valid, n=count, cutoff=0.6)
    if close:
        return 'Did you mean ' + ' or '.join(repr(match) for match in close) + '?'
    return 'Valid: ' + ', '.join(repr(match) for match in valid) + '.'


def accepted_keys(target: Callable) -> set[str] | None:
    """Collect the keyword arguments that a class or a function accepts.

    A constructor with ``**kwargs`` hands them on to its base class, so the base classes' arguments
    count as well.

    Args:
        target: The class or function that a config names by ``type``.

    Returns:
        The names, or None when any name is accepted.
    """
    if inspect.isclass(target) and target.__init__ is object.__init__:
        return set()  # inspect reports *args and **kwargs, but object accepts neither
    bases = target.__mro__ if inspect.isclass(target) else (target,)
    names: set[str] = set()
    for base in bases:
        function = base.__dict__.get('__init__') if inspect.isclass(base) else base
        if function is None:
            continue
        try:
            parameters = inspect.signature(function).parameters.values()
        except (TypeError, ValueError):  # implemented in C, for instance object.__init__
            return None
        names |= {p.name for p in parameters if p.kind in (p.KEYWORD_ONLY, p.POSITIONAL_OR_KEYWORD)}
        if not any(p.kind is p.VAR_KEYWORD for p in parameters):
            return names - {'self'}
    return None


def check_keys(target: Callable, keys: Iterable[str]) -> None:
    """Refuse keys that the target's constructor does not know.

    Args:
        target: The class or function that a config names by ``type``.
        keys: The keys of that config.

    Raises:
        TypeError: A key is unknown; the message names the target, the key and the nearest keys.
    """
    valid = accepted_keys(target)
    if valid is None:
        return
    for key in keys:
        if key not in valid and key not in ('type', '_scope_'):
            raise TypeError(f"{target.__name__} has no argument '{key}'. {nearest(key, valid)}")


def build_checked(build_func: Callable) -> Callable:
    """Wrap a registry's build function so that unknown types and keys are explained.

    Args:
        build_func: One of MMEngine's build functions, called as ``f(cfg, ..., registry=registry)``.

    Returns:
        The same function, preceded by the checks.
    """

    @wraps(build_func)
    def build(cfg: Any, *args: Any, registry: Registry, **kwargs: Any) -> Any:
        if isinstance(cfg, Mapping) and 'type' in cfg:
            check_keys(resolve(cfg['type'], registry), cfg)
        return build_func(cfg, *args, registry=registry, **kwargs)

    return build


def resolve(name: Any, registry: Registry) -> Callable:
    """Find what a config's ``type`` names.

    Args:
        name: A registered name, or the class itself.
        registry: Where to look; its parents are searched too.

    Returns:
        The class or function.

    Raises:
        KeyError: Nothing of that name is registered; the message names the registry, the closest
            names and the line that imports a project's own parts.
    """
    if not isinstance(name, str):
        return name
    found = registry.get(name)
    if found is None:
        known = set(registry.module_dict)
        if registry.parent is not None:
            known |= set(registry.parent.module_dict)
        raise KeyError(
            f"'{name}' is not in the {registry.scope} {registry.name} registry. "
            f'{nearest(name, known)} If it lives in a project of yours, import it by a line in the '
            "config: custom_imports = dict(imports=['projects.<name>.<module>'])"
        )
    return found


def check_top_level(cfg: Mapping[str, Any]) -> None:
    """Refuse unknown top-level keys of a config, which the Runner would ignore.

    Allowed are the Runner's arguments, :data:`RUNNER_EXTRAS`, :data:`HELPER_VARIABLES`, names that
    end in ``_pipeline``, and a file's own variables, whose names start with an underscore.

    Args:
        cfg: The merged config.

    Raises:
        ValueError: A key is unknown; the message names it and the nearest valid ones.
    """
    from mmengine.runner import Runner  # costs seconds, and the registries import this module

    valid = set(inspect.signature(Runner.__init__).parameters) - {'self', 'cfg'}
    valid |= RUNNER_EXTRAS | HELPER_VARIABLES
    for key in cfg:
        if key in REPLACED_KEYS:
            raise ValueError(f"Config key '{key}' is not supported: {REPLACED_KEYS[key]}")
        if key not in valid and not key.startswith('_') and not key.endswith('_pipeline'):
            raise ValueError(
                f"Unknown top-level config key '{key}'. {nearest(key, valid)} (A variable of your "
                'own starts with an underscore.)'
            )


def check_config(cfg: Mapping[str, Any]) -> None:
    """Check a whole config before anything is built.

    Every dict with a ``type`` must name a registered part and have only keys that this part
    accepts; the dicts without one that the Runner reads must have only keys that it knows. Which
    registry is meant is not known here, so a dict passes if one candidate of that name in any
    registry accepts it. Parts of projects must have been imported (``custom_imports`` does so when
    the file is read).

    Args:
        cfg: The merged config.

    Raises:
        ValueError: A type, a key or a task name is unknown; the message gives the dotted path and
            the nearest valid names.
    """
    check_top_level(cfg)
    _check_untyped(cfg)
    _check_task_names(cfg)
    _check_values(cfg)
    for path, part in typed_dicts(dict(cfg.items()), ''):  # a Config is no Mapping itself
        _check_part(path, part)


def _check_untyped(cfg: Mapping[str, Any]) -> None:
    """Check the dicts that the Runner hands to functions, or whose unknown keys it ignores."""
    from mmengine.runner import Runner  # as above
    from mmengine.utils.dl_utils import set_multi_processing
    from torch.utils.data import DataLoader

    loader = _parameters(DataLoader.__init__) | {'num_batch_per_epoch'}
    sections = {
        'train_dataloader': loader,
        'val_dataloader': loader,
        'test_dataloader': loader,
        'randomness': _parameters(Runner.set_randomness),
        'env_cfg': {'cudnn_benchmark', 'mp_cfg', 'dist_cfg', 'resource_limit'},
        'env_cfg.mp_cfg': _parameters(set_multi_processing),
        'auto_scale_lr': {'enable', 'base_batch_size'},
    }
    for section, valid in sections.items():
        part = _look_up(cfg, section)
        for key in part if isinstance(part, Mapping) else ():
            if key not in valid:
                raise ValueError(f"{section} has no key '{key}'. {nearest(key, valid)}")


def _check_values(cfg: Mapping[str, Any]) -> None:
    """Refuse values that the Runner would take, or complain about without naming the key."""
    if (cfg.get('visualizer') or {}).get('name') is not None:
        raise ValueError(
            'visualizer.name must not be set: a second run in the same process would log into the '
            "first one's folder"
        )
    level = cfg.get('log_level', 'INFO')
    if level not in LOG_LEVELS:
        raise ValueError(f'log_level={level!r}: valid are {", ".join(LOG_LEVELS)}')
    for key, smallest in SMALLEST.items():
        number = _look_up(cfg, key)
        if number is not None and (not isinstance(number, int) or number < smallest):
            raise ValueError(f'{key}={number!r}: it must be a whole number of at least {smallest}')
    rate = _look_up(cfg, 'optim_wrapper.optimizer.lr')
    if rate is not None and (not isinstance(rate, int | float) or not 0 <= rate < math.inf):
        raise ValueError(f'optim_wrapper.optimizer.lr={rate!r}: it must be a number of at least 0')
    model = cfg.get('model') or {}
    groups = {
        'default_hooks': cfg.get('default_hooks') or {},
        'model': {name: model.get(name) for name in ('backbone', 'decoder', 'regularizer')},
        'model.tasks': model.get('tasks') or {},
    }
    for group, parts in groups.items():
        for name, part in parts.items():
            if isinstance(part, Mapping) and 'type' not in part:
                raise ValueError(
                    f"{group}.{name} has no 'type', only {', '.join(map(repr, part))}: is the name "
                    'misspelt, or does the base config have no such part?'
                )


def _look_up(cfg: Any, path: str) -> Any:
    """Find the value at a dotted path; None where there is none."""
    for key in path.split('.'):
        cfg = cfg.get(key) if hasattr(cfg, 'get') else None
    return cfg


def _parameters(function: Callable) -> set[str]:
    return set(inspect.signature(function).parameters) - {'self'}


def typed_dicts(value: Any, path: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Walk a config and find the dicts that name a ``type``.

    Args:
        value: A config or a part of one.
        path: Its own dotted path; empty for a whole config.

    Yields:
        The dotted path of each such dict, and the dict.
    """
    if isinstance(value, Mapping):
        if 'type' in value:
            yield path, value
        items: Iterable[tuple[Any, Any]] = value.items()
    elif isinstance(value, list | tuple):
        items = enumerate(value)
    else:
        return
    for key, item in items:
        yield from typed_dicts(item, f'{path}.{key}' if path else str(key))


def _check_part(path: str, part: Mapping[str, Any]) -> None:
    from mtl3d import registry as ours

    registries = [value for value in vars(ours).values() if isinstance(value, Registry)]
    name = part['type']
    if not isinstance(name, str):
        return
    candidates = [(registry, _find(registry, name)) for registry in registries]
    found = [(registry, target) for registry, target in candidates if target is not None]
    if not found:
        known = {member for registry in registries for member in _members(registry)}
        close = difflib.get_close_matches(name, known)
        hint = nearest(name, known) if close else 'Nothing has a similar name.'
        raise ValueError(
            f"{path}.type='{name}' is not registered. {hint} If it lives in a project of yours, "
            "import it: custom_imports = dict(imports=['projects.<name>.<module>'])"
        )
    problems = []
    for registry, target in found:
        consumed = CONSUMED_KEYS.get(registry.name, frozenset())
        try:
            check_keys(target, set(part) - consumed)
        except TypeError as error:
            problems.append(str(error))
        else:
            return
    raise ValueError(f'{path}: {problems[0]}')


def _find(registry: Registry, name: str) -> Callable | None:
    # MMEngine's get() tries to import a module called like an unknown name, which takes long.
    registry.import_from_location()
    return registry.get(name) if '.' in name or name in _members(registry) else None


def _members(registry: Registry) -> set[str]:
    parents = set() if registry.parent is None else set(registry.parent.module_dict)
    return set(registry.module_dict) | parents


def _check_task_names(cfg: Mapping[str, Any]) -> None:
    from mtl3d.structures import LABEL_SPECS

    for name in (cfg.get('model') or {}).get('tasks') or ():
        if name not in LABEL_SPECS:
            raise ValueError(f"model.tasks: unknown task '{name}'. {nearest(name, LABEL_SPECS)}")
