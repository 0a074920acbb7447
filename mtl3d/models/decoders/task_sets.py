"""Main and auxiliary tasks of the decoders that distil predictions."""

from collections.abc import Mapping, Sequence

from mtl3d.utils.config import nearest


def select_main_tasks(
    out_channels: Mapping[str, int], main_tasks: Sequence[str] | None
) -> dict[str, int]:
    """Pick the tasks that get a final prediction; the others only help on the way.

    Args:
        out_channels: All tasks of the model -> channels.
        main_tasks: Those with a final prediction; None for all.

    Returns:
        Main task -> channels, in the model's order.

    Raises:
        ValueError: A main task is not a task of the model.
    """
    if main_tasks is None:
        return dict(out_channels)
    for task in main_tasks:
        if task not in out_channels:
            raise ValueError(f"main_tasks: unknown task '{task}'. {nearest(task, out_channels)}")
    return {task: count for task, count in out_channels.items() if task in main_tasks}
