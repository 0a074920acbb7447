"""Checkpoints of the multi-task survey's code to ours: MTI-Net, PAD-Net, baselines, encoders."""

from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor

from mtl3d.models.converters.convert import StateDict, rename

#: The published code's names in its canonical order, whatever the order in its config files; ours.
TASKS = {
    'semseg': 'semseg',
    'human_parts': 'human_parts',
    'sal': 'saliency',
    'normals': 'normals',
    'edge': 'edge',
    'depth': 'depth',
}
#: Channels of a single-task model's prediction -> our task; one channel may be any of three tasks.
BY_CHANNELS = {40: 'semseg', 21: 'semseg', 7: 'human_parts', 3: 'normals'}


def from_official(
    weights: Mapping[str, Tensor], task: str | None = None
) -> tuple[StateDict, dict[str, Any]]:
    """Convert published weights of any of the survey's models.

    Args:
        weights: The published state dict.
        task: Our name of a single-task model's task, needed where it predicts one channel; other
            numbers of channels tell the task.

    Returns:
        State dict of a ``MultiTaskModel`` with the parts of that method, and a description that
        tells the method, the task order, and which tasks are predicted finally if not all are.

    Raises:
        ValueError: A weight is unknown or missing, it is none of these models, or ``task`` is
            missing or unknown.
    """
    weights = stack_cross_stitch(weights)
    names = set(weights)
    for head, read_out in ((hrnet_head, 'last_layer.3'), (deeplab_head, '4')):
        if f'decoder.{read_out}.weight' in names:
            task = task or BY_CHANNELS.get(len(weights[f'decoder.{read_out}.weight']))
            if task not in TASKS.values():
                raise ValueError(
                    f"task='{task}': these are the weights of a single-task model, and its one "
                    f'channel does not tell its task. Name one of {", ".join(TASKS.values())}'
                )
            pairs = dict(head('decoder', f'decoder.heads.{task}'))
            meta = dict(source='survey code, single-task model', tasks=[task])
            return rename(weights, {'backbone.*': 'backbone.model.*'} | pairs), meta
    for method, marker, table in (
        ('MTI-Net', 'scale_0.decoders.', mti_net_table),
        ('PAD-Net', 'initial_task_prediction_heads.conv_out.', pad_net_table),
        ('multi-task baseline', 'decoders.', baseline_table),
        ('MTAN', 'attention_1.', mtan_table),
        ('Cross-Stitch or NDDR-CNN', 'backbone.', mixing_table),
    ):
        tasks = tasks_in(names, marker)
        if tasks:
            main = tasks_in(names, 'heads.') or tasks
            pairs = dict(table(tasks, main, names))
            meta = dict(source=f'survey code, {method}', tasks=[TASKS[t] for t in tasks])
            if len(main) < len(tasks):
                meta['main_tasks'] = [TASKS[t] for t in main]
            return rename(weights, pairs), meta
    raise ValueError('These are not the weights of a model of the survey code')


def tasks_in(names: set[str], prefix: str) -> list[str]:
    """List the tasks that follow a prefix in the weights' names, in the canonical order."""
    present = {name.removeprefix(prefix).split('.')[0] for name in names if name.startswith(prefix)}
    return [task for task in TASKS if task in present]


Pairs = Iterator[tuple[str, str]]


def mti_net_table(tasks: list[str], main: list[str], names: set[str]) -> Pairs:
    """Pair every module of the published MTI-Net with ours."""
    yield 'backbone.*', 'backbone.model.*'
    for scale in range(4):
        initial = f'decoder.initial.{scale}'
        for task in tasks:
            ours = TASKS[task]
            for block in range(2):
                theirs = f'scale_{scale}.refinement.{task}.{block}'
                yield from residual_block(theirs, f'{initial}.refine.{ours}.{block}', names)
            yield f'scale_{scale}.decoders.{task}', f'{initial}.heads.{ours}'
        yield from distillation(
            f'distillation_scale_{scale}.self_attention',
            f'decoder.distillation.{scale}',
            main,
            tasks,
        )
        if scale:
            theirs, propagation = f'fpm_scale_{scale}', f'decoder.propagation.{scale - 1}'
            for block in range(2):
                yield from residual_block(
                    f'{theirs}.non_linear.{block}', f'{propagation}.mask.{block}', names
                )
            yield f'{theirs}.non_linear.2', f'{propagation}.mask.2'
            yield from residual_block(
                f'{theirs}.dimensionality_reduction', f'{propagation}.reduce', names
            )
            for task in tasks:
                excite = f'{propagation}.excite.{TASKS[task]}.gate'
                yield f'{theirs}.se.{task}.squeeze.0', f'{excite}.0'
                yield f'{theirs}.se.{task}.squeeze.2', f'{excite}.2'
    for task in main:
        yield from hrnet_head(f'heads.{task}', f'decoder.heads.{TASKS[task]}')


def pad_net_table(tasks: list[str], main: list[str], names: set[str]) -> Pairs:
    """Pair every module of the published PAD-Net with ours."""
    yield 'backbone.0.*', 'backbone.model.*'
    yield 'backbone.1.last_layer.0', 'decoder.fuse.conv'
    yield 'backbone.1.last_layer.1', 'decoder.fuse.norm'
    for task in tasks:
        ours = TASKS[task]
        for block in range(2):
            yield from residual_block(
                f'initial_task_prediction_heads.layers.{task}.{block}',
                f'decoder.initial_refine.{ours}.{block}',
                names,
            )
        yield (
            f'initial_task_prediction_heads.conv_out.{task}',
            f'decoder.initial_heads.{ours}',
        )
    yield from distillation(
        'multi_modal_distillation.self_attention', 'decoder.distillation', main, tasks
    )
    for task in main:
        for block in range(2):
            ours_block = f'decoder.refine.{TASKS[task]}.{block}'
            yield from residual_block(f'heads.{task}.{block}', ours_block, names)
        yield f'heads.{task}.2', f'decoder.heads.{TASKS[task]}.conv'


def mtan_table(tasks: list[str], main: list[str], names: set[str]) -> Pairs:
    """Pair every module of the published MTAN with ours."""
    yield 'backbone.*', 'backbone.resnet.model.*'
    for stage in range(4):
        for task in tasks:
            theirs = f'attention_{stage + 1}.{task}'
            ours = f'backbone.attention.{stage}.{TASKS[task]}'
            for layer in range(2):
                yield f'{theirs}.{3 * layer}', f'{ours}.{layer}.conv'
                yield f'{theirs}.{3 * layer + 1}', f'{ours}.{layer}.norm'
        if stage < 3:
            yield from residual_block(f'refine_{stage + 1}.0', f'backbone.refine.{stage}', names)
    for task in tasks:
        yield from deeplab_head(f'heads.{task}', f'decoder.heads.{TASKS[task]}')


def mixing_table(tasks: list[str], main: list[str], names: set[str]) -> Pairs:
    """Pair every module of the published Cross-Stitch network or NDDR-CNN with ours."""
    for task in tasks:
        yield f'backbone.{task}.*', f'backbone.backbones.{TASKS[task]}.model.*'
        yield from deeplab_head(f'heads.{task}', f'decoder.heads.{TASKS[task]}')
    if any(name.startswith('cross_stitch.') for name in names):
        for stage in range(4):
            yield f'cross_stitch.layer{stage + 1}', f'backbone.units.{stage}'
        return
    stages = ('conv', 'layer1_without_conv', 'layer2', 'layer3', 'layer4')
    for unit, name in enumerate(stages):
        for index, task in enumerate(tasks):
            layer = f'backbone.units.{unit}.layers.{index}'
            yield f'nddr.{name}.layer.{task}.0', f'{layer}.conv'
            yield f'nddr.{name}.layer.{task}.1', f'{layer}.norm'


def stack_cross_stitch(weights: Mapping[str, Tensor]) -> StateDict:
    """Join the published per-pair vectors ``(C,)`` of each stage to one ``(T, T, C)`` tensor.

    A stage that lacks a vector is left as it is, for :func:`rename` to complain about.
    """
    stacked = dict(weights)
    for stage in range(1, 5):
        unit = f'cross_stitch.layer{stage}.cross_stitch_unit.'
        tasks = tasks_in(set(weights), unit)
        names = [f'{unit}{i}.{j}.param' for i in tasks for j in tasks]
        if names and stacked.keys() >= set(names):
            square = torch.stack([stacked.pop(name) for name in names])
            stacked[f'cross_stitch.layer{stage}.weight'] = square.unflatten(0, (len(tasks), -1))
    return stacked


def baseline_table(tasks: list[str], main: list[str], names: set[str]) -> Pairs:
    """Pair every module of the published hard-sharing baseline with ours."""
    on_hrnet = f'decoders.{tasks[0]}.last_layer.0.weight' in names
    yield 'backbone.*', 'backbone.model.*'
    for task in tasks:
        head = hrnet_head if on_hrnet else deeplab_head
        yield from head(f'decoders.{task}', f'decoder.heads.{TASKS[task]}')


def residual_block(theirs: str, ours: str, names: set[str]) -> Pairs:
    """Pair a residual block's modules: two convolutions, or three of a bottleneck."""
    count = 3 if f'{theirs}.conv3.weight' in names else 2
    for layer in range(count):
        yield f'{theirs}.conv{layer + 1}', f'{ours}.body.{layer}.conv'
        yield f'{theirs}.bn{layer + 1}', f'{ours}.body.{layer}.norm'
    if f'{theirs}.downsample.0.weight' in names:
        yield f'{theirs}.downsample.0', f'{ours}.shortcut.conv'
        yield f'{theirs}.downsample.1', f'{ours}.shortcut.norm'


def distillation(theirs: str, ours: str, targets: list[str], sources: list[str]) -> Pairs:
    """Pair the two convolutions of every ordered pair of tasks."""
    for target in targets:
        for source in sources:
            if source != target:
                message = f'{ours}.messages.{TASKS[target]}.{TASKS[source]}'
                yield f'{theirs}.{target}.{source}.attention.0', f'{message}.gate'
                yield f'{theirs}.{target}.{source}.conv', f'{message}.value'


def hrnet_head(theirs: str, ours: str) -> Pairs:
    """Pair the modules of an HRNet head."""
    yield f'{theirs}.last_layer.0', f'{ours}.fuse.conv'
    yield f'{theirs}.last_layer.1', f'{ours}.fuse.norm'
    yield f'{theirs}.last_layer.3', f'{ours}.predict'


def deeplab_head(theirs: str, ours: str) -> Pairs:
    """Pair the modules of a DeepLab head."""
    for branch in range(4):
        yield f'{theirs}.0.convs.{branch}.0', f'{ours}.branches.{branch}.conv'
        yield f'{theirs}.0.convs.{branch}.1', f'{ours}.branches.{branch}.norm'
    for their_layer, our_layer in (
        ('0.convs.4.1', 'image_branch.conv'),
        ('0.convs.4.2', 'image_branch.norm'),
        ('0.project.0', 'project.conv'),
        ('0.project.1', 'project.norm'),
        ('1', 'refine.conv'),
        ('2', 'refine.norm'),
        ('4', 'predict'),
    ):
        yield f'{theirs}.{their_layer}', f'{ours}.{our_layer}'
