"""Checkpoints of ATRC's code to ours: its hard-sharing baseline, ATRC, and the relation search."""

from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor

from mtl3d.models.converters.convert import StateDict, rename
from mtl3d.models.layers import CONTEXTS

#: The published code's names in the order of its task lists; ours.
TASKS = {
    'semseg': 'semseg',
    'human_parts': 'human_parts',
    'sal': 'saliency',
    'depth': 'depth',
    'normals': 'normals',
    'edge': 'edge',
}
#: Constants of the losses, which the published checkpoints hold and ours do not.
LOSS_CONSTANTS = (
    'criterion.loss_dict.normals.aux.centroids',
    'criterion.loss_dict.edge.aux.class_weight',
)
PAIRS = 'head.atrc_module.cp_blocks.'

Pairs = Iterator[tuple[str, str]]


def from_official(weights: Mapping[str, Tensor]) -> tuple[StateDict, dict[str, Any]]:
    """Convert published weights of any of ATRC's networks.

    Args:
        weights: The published state dict. Its names do not tell which context a pair of tasks has,
            so the genotype must be known from elsewhere.

    Returns:
        State dict of a ``MultiTaskModel`` with an ``ATRCDecoder``, an ``ATRCSearchDecoder`` or a
        ``SingleHeadsDecoder`` with ``channels``, and a description: the method, the tasks, the
        pairs that have a context, and the constants of losses that were left out.

    Raises:
        ValueError: A weight is unknown or missing.
    """
    kept = {name: tensor for name, tensor in weights.items() if name not in LOSS_CONSTANTS}
    modules = {name.rpartition('.')[0] for name in kept}
    tasks = _keys_below('head.final_logits', modules)
    pairs = {target: _keys_below(f'{PAIRS}{target}', modules) for target in tasks}
    searched = any(name.endswith('.arch_param') for name in kept)
    if searched:
        method, table = 'ATRC relation search', search_table(tasks, modules)
    elif any(name.startswith('head.atrc_module.') for name in kept):
        method, table = 'ATRC', atrc_table(tasks, pairs, modules)
    else:
        method, table = 'multi-task baseline', baseline_table(tasks)
    if searched:
        kept, parameters = _split_architecture(kept)
    else:
        parameters = {}
    renamed = rename(kept, dict(table)) | parameters
    meta = dict(
        source=f'ATRC code, {method}',
        tasks=[TASKS[task] for task in tasks],
        pairs={TASKS[target]: [TASKS[s] for s in sources] for target, sources in pairs.items()},
        dropped=[name for name in LOSS_CONSTANTS if name in weights],
    )
    return renamed, meta


def baseline_table(tasks: list[str]) -> Pairs:
    """Pair every module of the hard-sharing baseline with ours."""
    yield 'backbone.*', 'backbone.model.*'
    for task in tasks:
        yield from unit(f'head.bottleneck.{task}', f'decoder.bottlenecks.{TASKS[task]}')
        yield f'head.final_logits.{task}', f'decoder.heads.{TASKS[task]}.conv'


def shared_table(tasks: list[str], modules: set[str]) -> Pairs:
    """Pair the modules that ATRC and its search have in common with ours."""
    yield 'backbone.*', 'backbone.model.*'
    for task in tasks:
        ours = TASKS[task]
        yield from unit(f'head.bottleneck.{task}', f'decoder.features.{ours}')
        if f'head.aux_logits.{task}' in modules:
            yield from unit(f'head.aux_conv.{task}', f'decoder.regions.{ours}.0')
            yield f'head.aux_logits.{task}', f'decoder.regions.{ours}.1'
        if f'head.atrc_module.out_proj.{task}.conv' in modules:
            yield from unit(f'head.atrc_module.out_proj.{task}', f'decoder.context.project.{ours}')
        yield f'head.final_logits.{task}', f'decoder.heads.{ours}.conv'


def atrc_table(tasks: list[str], pairs: Mapping[str, list[str]], modules: set[str]) -> Pairs:
    """Pair every module of ATRC with ours."""
    yield from shared_table(tasks, modules)
    for target, sources in pairs.items():
        fuse = f'head.atrc_module.bottleneck.{target}.0'
        yield from unit(fuse, f'decoder.context.fuse.{TASKS[target]}')
        for source in sources:
            ours = f'decoder.context.contexts.{TASKS[target]}.{TASKS[source]}'
            yield from context_pooling(f'{PAIRS}{target}.{source}', ours)


def search_table(tasks: list[str], modules: set[str]) -> Pairs:
    """Pair every module of the relation search with ours."""
    yield from shared_table(tasks, modules)
    for target in tasks:
        fuse = f'head.atrc_module.bottleneck.{target}'
        yield from unit(fuse, f'decoder.context.fuse.{TASKS[target]}')
        for source in tasks:
            ours = f'decoder.context.contexts.{TASKS[target]}.{TASKS[source]}.candidates'
            for index, context in enumerate(CONTEXTS):
                if context != 's_label' or source != target:
                    theirs = f'{PAIRS}{target}.{source}.op_list.{index}'
                    yield from context_pooling(theirs, f'{ours}.{context}')


def context_pooling(theirs: str, ours: str) -> Pairs:
    """Pair the modules of one context pooling block."""
    for layer in range(2):
        yield from unit(f'{theirs}.query_project.{layer}', f'{ours}.query.{layer}')
        yield from unit(f'{theirs}.key_project.{layer}', f'{ours}.key.{layer}')
    yield from unit(f'{theirs}.value_project', f'{ours}.value')


def unit(theirs: str, ours: str) -> Pairs:
    """Pair a convolution and its normalisation."""
    yield f'{theirs}.conv', f'{ours}.conv'
    yield f'{theirs}.bn', f'{ours}.norm'


def _keys_below(prefix: str, modules: set[str]) -> list[str]:
    """List the tasks that follow a prefix in the modules' names, in the published order."""
    depth = prefix.count('.') + 1
    present = {name.split('.')[depth] for name in modules if name.startswith(f'{prefix}.')}
    return [task for task in TASKS if task in present]


def _split_architecture(weights: StateDict) -> tuple[StateDict, StateDict]:
    """Take the architecture parameters out of a search's weights and rename them.

    The published code has ``fixed_weights`` only for pairs that are frozen; ours are zero until
    then.
    """
    ours: StateDict = {}
    rest = dict(weights)
    for name in weights:
        pair, _, parameter = name.rpartition('.')
        if parameter == 'arch_param':
            target, source = pair.removeprefix(PAIRS).split('.')
            our_pair = f'decoder.context.contexts.{TASKS[target]}.{TASKS[source]}'
            architecture = rest.pop(name)
            frozen = rest.pop(f'{pair}.fixed_weights', None)
            ours[f'{our_pair}.architecture'] = architecture
            ours[f'{our_pair}.fixed_weights'] = (
                torch.zeros_like(architecture) if frozen is None else frozen
            )
    return rest, ours
