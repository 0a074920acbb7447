"""Genotypes: which context every target task draws from every source task.

The file format is that of ATRC's published code: ``{"data": {target: {source: code}}, "step": n}``
with codes 0 none, 1 global, 2 local, 3 T-label, 4 S-label.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, get_args

from mtl3d.models.layers.context_pooling import Context
from mtl3d.utils.config import nearest

#: Target -> source -> context; sources without a context are left out.
Genotype = dict[str, dict[str, Context]]

#: The code of a context is its place here.
CODES = ('none', *get_args(Context))
#: Genotypes that come with mtl3d, by name.
SHIPPED = {path.stem: path for path in Path(__file__).with_name('genotypes').glob('*.json')}
#: The published code's names of tasks, where they differ from ours.
PUBLISHED_TASKS = {'sal': 'saliency'}


def read_genotype(
    genotype: Mapping[str, Mapping[str, Any]] | str, tasks: Sequence[str]
) -> Genotype:
    """Read a genotype from any of its forms.

    Args:
        genotype: Target -> source -> context, as a name (``t_label``) or a code (3), where what is
            left out is ``none``; one context's name, for all pairs of tasks; the name of a shipped
            genotype (``nyud_hrnet18s``); or the path of a JSON file.
        tasks: All tasks of the model; they set the order of targets and sources.

    Returns:
        Target -> source -> context, for all targets.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: A task or a context is unknown, or the file is no genotype.
    """
    if isinstance(genotype, str):
        if genotype in CODES:
            genotype = {target: dict.fromkeys(tasks, genotype) for target in tasks}
        else:
            genotype = _read_file(genotype)
    table = {
        _checked_task(target, tasks): {
            _checked_task(source, tasks): _checked_context(context)
            for source, context in sources.items()
        }
        for target, sources in genotype.items()
    }
    return {
        target: {
            source: context  # type: ignore[misc]
            for source in tasks
            if (context := table.get(target, {}).get(source, 'none')) != 'none'
        }
        for target in tasks
    }


def genotype_to_json(genotype: Mapping[str, Mapping[str, str]], step: int) -> str:
    """Write a genotype as the text of a JSON file that :func:`read_genotype` reads.

    Args:
        genotype: Target -> source -> context's name, for all pairs that are not to be ``none``.
        step: The iteration of the search at which it was taken.
    """
    data = {
        target: {source: CODES.index(context) for source, context in sources.items()}
        for target, sources in genotype.items()
    }
    return json.dumps(dict(data=data, step=step), indent=2) + '\n'


def tasks_with_regions(genotype: Genotype) -> list[str]:
    """List the tasks whose label regions a genotype needs, in the order of its targets."""
    return [
        task
        for task in genotype
        if 't_label' in genotype[task].values()
        or any(sources.get(task) == 's_label' for sources in genotype.values())
    ]


def _read_file(name: str) -> Mapping[str, Mapping[str, Any]]:
    path = SHIPPED.get(name) or Path(name).expanduser()
    if not path.is_file():
        raise FileNotFoundError(
            f"genotype='{name}': no such file, and none of the shipped genotypes "
            f'({", ".join(sorted(SHIPPED))}) or contexts ({", ".join(CODES)})'
        )
    try:
        return json.loads(path.read_text())['data']
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"genotype='{name}': the file is no genotype ({error!r})") from error


def _checked_task(name: str, tasks: Sequence[str]) -> str:
    name = PUBLISHED_TASKS.get(name, name)
    if name not in tasks:
        raise ValueError(f"genotype: unknown task '{name}'. {nearest(name, tasks)}")
    return name


def _checked_context(context: Any) -> str:
    if isinstance(context, int) and 0 <= context < len(CODES):
        return CODES[context]
    if context in CODES:
        return context
    raise ValueError(
        f"genotype: unknown context '{context}'. Valid: {', '.join(CODES)} or their codes 0 to 4"
    )
