"""Published InvPT checkpoints to ours, and back."""

from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor

from mtl3d.models.converters.convert import StateDict, rename
from mtl3d.models.decoders.invpt import NUM_STAGES

#: The published code's names in its fixed task order, of which each data set uses a part; ours.
TASKS = {
    'semseg': 'semseg',
    'human_parts': 'human_parts',
    'sal': 'saliency',
    'depth': 'depth',
    'normals': 'normals',
    'edge': 'edge',
}
HEADS = 'heads.'


def module_table(tasks: Sequence[str]) -> dict[str, str]:
    """List every module of the published model.

    The published code numbers some per-task modules by the task's place in its task order.

    Args:
        tasks: The published names of the model's tasks, in the published order.

    Returns:
        Published module name -> ours.
    """
    table = {
        'backbone.*': 'backbone.model.*',
        'multi_task_decoder.invpt.norm_mt': 'decoder.unused_norm',
    }
    for index, task in enumerate(tasks):
        ours = TASKS[task]
        theirs = 'multi_task_decoder'
        table |= {
            f'{theirs}.intermediate_head.{task}': f'decoder.preliminary_heads.{ours}',
            f'{theirs}.invpt.mix_proj.{task}.0': f'decoder.mix.{ours}',
            f'{theirs}.invpt.mt_proj.{task}.0': f'decoder.project.{ours}.conv',
            f'{theirs}.invpt.mt_proj.{task}.1': f'decoder.project.{ours}.norm',
            f'{HEADS}{task}.linear_pred': f'decoder.heads.{ours}.conv',
        }
        for layer in range(2):
            theirs_layer = f'{theirs}.preliminary_decoder.{task}.{layer}'
            table[f'{theirs_layer}.conv'] = f'decoder.preliminary.{ours}.{layer}.conv'
            table[f'{theirs_layer}.bn1'] = f'decoder.preliminary.{ours}.{layer}.norm'
        for stage in range(NUM_STAGES):
            reduction = f'{theirs}.invpt.redu_chan.{stage}.{index}'
            table[reduction] = f'decoder.reductions.{stage}.{ours}'
            theirs_stage = f'{theirs}.invpt.invpt_stages.{stage}'
            query = f'{theirs_stage}.blocks.0.attn.conv_proj_q.{index}'
            table[f'{query}.conv'] = f'decoder.stages.{stage}.attention.query_conv.{ours}.conv'
            table[f'{query}.bn'] = f'decoder.stages.{stage}.attention.query_conv.{ours}.norm'
            for layer in range(2 if stage else 0):
                up = f'{theirs_stage}.patch_embed.{index}.proj'
                ours_up = f'decoder.stages.{stage}.up.{ours}.{layer}'
                table[f'{up}.{3 * layer + 1}'] = f'{ours_up}.conv'
                table[f'{up}.{3 * layer + 2}'] = f'{ours_up}.norm'
    for stage in range(NUM_STAGES):
        block = f'multi_task_decoder.invpt.invpt_stages.{stage}.blocks.0'
        ours = f'decoder.stages.{stage}'
        table |= {
            f'multi_task_decoder.scale_embed.{stage}': f'decoder.skips.{stage}',
            f'multi_task_decoder.invpt.norm_mts.{stage}': f'decoder.stage_norms.{stage}',
            f'{block}.norm1': f'{ours}.norm1',
            f'{block}.norm2': f'{ours}.norm2',
            f'{block}.attn.proj_q': f'{ours}.attention.query',
            f'{block}.attn.proj_k': f'{ours}.attention.key',
            f'{block}.attn.proj_v': f'{ours}.attention.value',
            f'{block}.attn.proj': f'{ours}.attention.proj',
            f'{block}.attn.fuse_attn': f'{ours}.attention.fuse',
            f'{block}.mlp.fc1': f'{ours}.mlp.fc1',
            f'{block}.mlp.fc2': f'{ours}.mlp.fc2',
        }
    return table


def from_official(weights: Mapping[str, Tensor]) -> tuple[StateDict, dict[str, Any]]:
    """Convert published weights to those of ``MultiTaskModel`` with an ``InvPTDecoder``.

    Args:
        weights: The published state dict, of any of the two data sets and backbones.

    Returns:
        Our state dict, and a description that tells the task order which the model must have.

    Raises:
        ValueError: A weight is unknown or missing.
    """
    tasks = _tasks_in(weights, HEADS, list(TASKS))
    renamed = rename(weights, module_table(tasks))
    return renamed, dict(source='InvPT (ECCV 2022)', tasks=[TASKS[task] for task in tasks])


def to_official(weights: Mapping[str, Tensor]) -> tuple[StateDict, dict[str, Any]]:
    """Convert our weights to the published naming; a regularizer's weights are left out.

    Args:
        weights: State dict of a ``MultiTaskModel`` with an ``InvPTDecoder`` and ``ConvHead``s of
            kernel size 1, whose tasks are in the published order.

    Returns:
        The published state dict, and a description.

    Raises:
        ValueError: A weight is unknown or missing.
    """
    kept = {k: v for k, v in weights.items() if not k.startswith('regularizer.')}
    published = {ours: theirs for theirs, ours in TASKS.items()}
    tasks = [published[task] for task in _tasks_in(kept, 'decoder.heads.', list(published))]
    table = {ours: theirs for theirs, ours in module_table(tasks).items()}
    return rename(kept, table), dict(source='mtl3d', tasks=tasks)


def _tasks_in(weights: Mapping[str, Tensor], prefix: str, known: Sequence[str]) -> list[str]:
    """Read off the tasks, in the order of ``known``; an unknown one will fail in the renaming."""
    present = {k.removeprefix(prefix).split('.')[0] for k in weights if k.startswith(prefix)}
    return [task for task in known if task in present]
