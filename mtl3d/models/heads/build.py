"""Heads from a decoder's ``head=`` and ``heads=`` settings."""

from collections.abc import Mapping
from typing import Any

from torch import nn

from mtl3d.registry import MODELS
from mtl3d.utils.config import nearest


def build_heads(
    head: Mapping[str, Any],
    heads: Mapping[str, Mapping[str, Any]] | None,
    *,
    in_channels: int,
    out_channels: Mapping[str, int],
) -> nn.ModuleDict:
    """Build one head per task.

    Args:
        head: The config of every task's head.
        heads: Task -> config of that task's head, in place of ``head``.
        in_channels: Channels of the feature that enters each head.
        out_channels: Task -> channels of its raw prediction.

    Returns:
        Task -> head, in the order of ``out_channels``.

    Raises:
        ValueError: ``heads`` names a task that the model does not have.
    """
    heads = heads or {}
    for task in heads:
        if task not in out_channels:
            raise ValueError(f"heads: unknown task '{task}'. {nearest(task, out_channels)}")
    return nn.ModuleDict(
        {
            task: MODELS.build(
                {**heads.get(task, head), 'in_channels': in_channels, 'out_channels': channels}
            )
            for task, channels in out_channels.items()
        }
    )
