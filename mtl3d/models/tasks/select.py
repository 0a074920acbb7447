"""Subsets of a model's tasks."""

from collections.abc import Mapping, Sequence

from mtl3d.utils.config import nearest


def select_tasks(
    out_channels: Mapping[str, int], tasks: Sequence[str] | None, *, argument: str = 'tasks'
) -> dict[str, int]:
    """Keep a subset of the model's tasks.

    Args:
        out_channels: Task -> channels of its raw prediction, for all tasks of the model.
        tasks: The tasks to keep; None keeps all.
        argument: What the caller's argument is called, for the error.

    Returns:
        Task -> channels, in the order of the model.

    Raises:
        ValueError: ``tasks`` is empty or names a task that the model does not have.
    """
    if tasks is None:
        return dict(out_channels)
    if not tasks:
        raise ValueError(f'{argument}=[]: at least one task is needed; None means all')
    for task in tasks:
        if task not in out_channels:
            raise ValueError(f"{argument}: unknown task '{task}'. {nearest(task, out_channels)}")
    return {task: channels for task, channels in out_channels.items() if task in tasks}
