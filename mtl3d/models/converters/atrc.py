"""Checkpoints of ATRC's code to ours and back: its baseline, ATRC, and the relation search."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
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
#: Where the pairs of tasks are, in the published code and in ours.
THEIR_PAIRS = 'head.atrc_module.cp_blocks'
OUR_PAIRS = 'decoder.context.contexts'


@dataclass
class Layout:
    """What the names of a network's weights tell about it, in the published names of tasks.

    Attributes:
        tasks: The tasks.
        regions: The tasks that predict regions.
        pairs: Target -> sources with a context; empty for the baseline.
        searched: It is the relation search.
    """

    tasks: list[str]
    regions: list[str]
    pairs: dict[str, list[str]]
    searched: bool

    @property
    def method(self) -> str:
        """Name of the method."""
        if self.searched:
            return 'ATRC relation search'
        return 'ATRC' if self.pairs else 'multi-task baseline'


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
    places = ('head.final_logits', 'head.aux_logits', 'head.atrc_module.bottleneck', THEIR_PAIRS)
    layout = read_layout(kept, places, list(TASKS), 'arch_param')
    architecture: StateDict = {}
    for target, source in pairs_of_search(layout):
        theirs, ours = f'{THEIR_PAIRS}.{target}.{source}', our_pair(target, source)
        alpha = _take(kept, f'{theirs}.arch_param')
        # Theirs exists only once the pair is frozen; ours is zero until then.
        frozen = kept.pop(f'{theirs}.fixed_weights', None)
        architecture[f'{ours}.architecture'] = alpha
        architecture[f'{ours}.fixed_weights'] = (
            torch.zeros_like(alpha) if frozen is None else frozen
        )
    renamed = rename(kept, dict(module_table(layout))) | architecture
    meta = dict(
        source=f'ATRC code, {layout.method}',
        tasks=[TASKS[task] for task in layout.tasks],
        pairs={TASKS[t]: [TASKS[s] for s in sources] for t, sources in layout.pairs.items()},
        dropped=[name for name in LOSS_CONSTANTS if name in weights],
    )
    return renamed, meta


def to_official(weights: Mapping[str, Tensor]) -> tuple[StateDict, dict[str, Any]]:
    """Convert our weights to the published naming; a regularizer's weights are left out.

    Args:
        weights: State dict of a ``MultiTaskModel`` as :func:`from_official` returns it.

    Returns:
        The published state dict without the losses' constants, and a description.

    Raises:
        ValueError: A weight is unknown or missing.
    """
    kept = {name: t for name, t in weights.items() if not name.startswith('regularizer.')}
    published = {ours: theirs for theirs, ours in TASKS.items()}
    places = ('decoder.heads', 'decoder.regions', 'decoder.context.fuse', OUR_PAIRS)
    layout = read_layout(kept, places, list(published), 'architecture')
    layout = Layout(
        tasks=[published[task] for task in layout.tasks],
        regions=[published[task] for task in layout.regions],
        pairs={published[t]: [published[s] for s in row] for t, row in layout.pairs.items()},
        searched=layout.searched,
    )
    architecture: StateDict = {}
    for target, source in pairs_of_search(layout):
        theirs, ours = f'{THEIR_PAIRS}.{target}.{source}', our_pair(target, source)
        architecture[f'{theirs}.arch_param'] = _take(kept, f'{ours}.architecture')
        frozen = _take(kept, f'{ours}.fixed_weights')
        if frozen.any():
            architecture[f'{theirs}.fixed_weights'] = frozen
    table = {ours: theirs for theirs, ours in module_table(layout)}
    return rename(kept, table) | architecture, dict(source='mtl3d', tasks=layout.tasks)


def read_layout(
    names: Iterable[str], places: tuple[str, str, str, str], known: list[str], parameter: str
) -> Layout:
    """Read off the layout of a network.

    Args:
        names: Of its weights, in either naming.
        places: The modules below which the tasks' read-outs, regions, fusions and pairs are.
        known: All tasks in that naming, in the published order.
        parameter: Name of the architecture parameters.
    """
    names = list(names)
    heads, regions, fusions, pairs = places
    tasks = _below(heads, names, known)
    return Layout(
        tasks=tasks,
        regions=_below(regions, names, known),
        pairs={
            task: _below(f'{pairs}.{task}', names, known) for task in _below(fusions, names, known)
        },
        searched=any(name.endswith(f'.{parameter}') for name in names),
    )


def pairs_of_search(layout: Layout) -> list[tuple[str, str]]:
    """List the pairs (target, source) that have architecture parameters."""
    if not layout.searched:
        return []
    return [(target, source) for target, row in layout.pairs.items() for source in row]


def our_pair(target: str, source: str) -> str:
    """Name our module of a pair of published tasks."""
    return f'{OUR_PAIRS}.{TASKS[target]}.{TASKS[source]}'


Pairs = Iterator[tuple[str, str]]


def module_table(layout: Layout) -> Pairs:
    """Pair every module of a published network with ours."""
    yield 'backbone.*', 'backbone.model.*'
    features = 'features' if layout.pairs else 'bottlenecks'
    for task in layout.tasks:
        ours = TASKS[task]
        yield from unit(f'head.bottleneck.{task}', f'decoder.{features}.{ours}')
        yield f'head.final_logits.{task}', f'decoder.heads.{ours}.conv'
    for task in layout.regions:
        ours = TASKS[task]
        yield from unit(f'head.aux_conv.{task}', f'decoder.regions.{ours}.0')
        yield f'head.aux_logits.{task}', f'decoder.regions.{ours}.1'
    for target, sources in layout.pairs.items():
        ours = TASKS[target]
        fusion = f'head.atrc_module.bottleneck.{target}'
        yield from unit(
            fusion if layout.searched else f'{fusion}.0', f'decoder.context.fuse.{ours}'
        )
        if sources:
            projection = f'head.atrc_module.out_proj.{target}'
            yield from unit(projection, f'decoder.context.project.{ours}')
        for source in sources:
            pair = f'{THEIR_PAIRS}.{target}.{source}'
            if not layout.searched:
                yield from context_pooling(pair, our_pair(target, source))
                continue
            for index, context in enumerate(CONTEXTS):
                if context != 's_label' or source != target:
                    candidate = f'{our_pair(target, source)}.candidates.{context}'
                    yield from context_pooling(f'{pair}.op_list.{index}', candidate)


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


def _take(weights: StateDict, name: str) -> Tensor:
    if name not in weights:
        raise ValueError(f'The checkpoint does not have the expected structure: no weight {name}')
    return weights.pop(name)


def _below(prefix: str, names: list[str], known: list[str]) -> list[str]:
    """List the tasks that follow a prefix in the weights' names, in the order of ``known``."""
    depth = prefix.count('.') + 1
    present = {name.split('.')[depth] for name in names if name.startswith(f'{prefix}.')}
    return [task for task in known if task in present]
