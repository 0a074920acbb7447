"""Checks of a config, made before anything is built; the errors name the nearest valid key."""

import difflib
import inspect
from collections.abc import Callable, Iterable, Mapping
from functools import wraps
from typing import Any

from mmengine.registry import Registry


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
