"""The multi-task gain over single-task networks, Delta_m (Maninis et al., CVPR 2019, eq. 4)."""

from collections.abc import Mapping

#: Metrics of which less is better; of all others more is better, boundaries included.
LOWER_IS_BETTER = frozenset(
    {
        'depth/rmse', 'depth/rmse_image', 'depth/mae',
        'depth/abs_rel', 'depth/sq_rel', 'depth/log_rmse',
        'normals/mean', 'normals/median', 'normals/rmse',
    }
)  # fmt: skip


def delta_m(
    multi_task: Mapping[str, float],
    single_task: Mapping[str, float],
    *,
    lower_is_better: frozenset[str] | set[str] = LOWER_IS_BETTER,
) -> float:
    """Compute ``100 / T sum_t (-1)^(l_t) (M_t - B_t) / B_t``.

    M is the multi-task network's score, B the single-task network's, l is 1 where less is better.

    Args:
        multi_task: ``task/metric`` -> value; may hold more than is needed.
        single_task: ``task/metric`` -> value, in the same units, one metric per task.
        lower_is_better: Metrics of which less is better.

    Returns:
        The mean relative change in percent; positive where multi-task learning helps.

    Raises:
        ValueError: ``single_task`` is empty or holds a zero, or a metric is missing.
    """
    if not single_task:
        raise ValueError('single_task is empty: Delta_m compares with at least one task')
    missing = sorted(set(single_task) - set(multi_task))
    if missing:
        raise ValueError(
            f'Delta_m needs {", ".join(missing)}, but the results hold '
            f'{", ".join(sorted(multi_task)) or "nothing"}'
        )
    changes = []
    for key, baseline in single_task.items():
        if baseline == 0:
            raise ValueError(f'single_task[{key!r}] is 0: a relative change to it is undefined')
        sign = -1 if key in lower_is_better else 1
        changes.append(sign * (multi_task[key] - baseline) / baseline)
    return 100 * sum(changes) / len(changes)
