"""Check every file of an extracted archive, and say what is there."""

import warnings
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np

from mtl3d.datasets.label_readers import warn_again
from mtl3d.datasets.multi_task_dataset import MultiTaskDataset
from mtl3d.datasets.transforms.load_image import LoadImage
from mtl3d.datasets.transforms.load_labels import LoadLabels
from mtl3d.structures import LABEL_SPECS


@dataclass
class TaskSummary:
    """What the label files of one task hold.

    Attributes:
        images: Images that have a label.
        pixels: Their pixels.
        valid: Those of them that carry a label.
        low: Smallest valid value (of any channel).
        high: Largest valid value.
        classes: Different class ids that occur.
    """

    images: int = 0
    pixels: int = 0
    valid: int = 0
    low: float = float('inf')
    high: float = float('-inf')
    classes: set[int] = field(default_factory=set)

    def add(self, other: 'TaskSummary') -> None:
        """Take in another summary."""
        self.images += other.images
        self.pixels += other.pixels
        self.valid += other.valid
        self.low = min(self.low, other.low)
        self.high = max(self.high, other.high)
        self.classes |= other.classes


@dataclass
class SplitReport:
    """What one split holds.

    Attributes:
        images: Images of the list.
        sizes: (H, W) -> how many images.
        tasks: Task -> summary.
        problems: One line per file that cannot be used, or that looks wrong.
    """

    images: int = 0
    sizes: Counter = field(default_factory=Counter)
    tasks: dict[str, TaskSummary] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)

    def add(self, other: 'SplitReport') -> None:
        """Take in another report."""
        self.images += other.images
        self.sizes += other.sizes
        for task, summary in other.tasks.items():
            self.tasks.setdefault(task, TaskSummary()).add(summary)
        self.problems += other.problems


def summarize_label(task: str, label: np.ndarray) -> TaskSummary:
    """Summarise one label map ``(H, W)`` or ``(H, W, C)`` in the layout of the transforms."""
    spec = LABEL_SPECS[task]
    valid = label != spec.invalid_value
    if label.ndim == 3:
        valid = valid.any(axis=-1)
    values = label[valid]
    summary = TaskSummary(images=1, pixels=valid.size, valid=int(valid.sum()))
    if values.size:
        summary.low, summary.high = float(values.min()), float(values.max())
    if spec.kind == 'class':
        summary.classes = set(np.unique(values).tolist())
    return summary


def check_item(info: dict[str, Any], resize: bool = False) -> SplitReport:
    """Read one image and its labels.

    Args:
        info: An item of a data set's ``data_list``.
        resize: Whether labels of another size are accepted, see :class:`LoadLabels`.
    """
    report = SplitReport(images=1)
    try:
        results = LoadImage()(dict(info))
    except ValueError as error:
        report.problems.append(str(error))
        return report
    report.sizes[results['img_shape']] += 1
    for task, file in info['labels'].items():
        one = dict(results, labels={task: file}, task_fields=[])
        warn_again()
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter('always')
            try:
                LoadLabels(resize=resize)(one)
            except ValueError as error:
                report.problems.append(str(error))
                continue
        report.problems += [str(warning.message) for warning in caught]
        if one['task_fields']:
            report.tasks[task] = summarize_label(task, one[f'gt_{task}'])
    return report


def check_split(
    dataset: MultiTaskDataset,
    resize: bool = False,
    workers: int = 0,
    progress: Callable[[], Any] = lambda: None,
) -> SplitReport:
    """Read every file of one split.

    Args:
        dataset: A data set; its pipeline is not used.
        resize: Whether labels of another size are accepted.
        workers: Processes; 0 reads in this one.
        progress: Called after each image.

    Returns:
        The sum over all images, the problems in the order of the list.
    """
    report = SplitReport(tasks={task: TaskSummary() for task in dataset.tasks})
    infos = [dataset.get_data_info(i) for i in range(len(dataset))]
    check = partial(check_item, resize=resize)
    if not workers:
        for info in infos:
            report.add(check(info))
            progress()
        return report
    with ProcessPoolExecutor(workers) as pool:
        for part in pool.map(check, infos, chunksize=4):
            report.add(part)
            progress()
    return report


def report_rows(report: SplitReport) -> list[Sequence[str]]:
    """Lay a report out as rows: task, labels, missing, valid pixels, range, classes."""
    rows: list[Sequence[str]] = []
    for task, summary in report.tasks.items():
        found = summary.valid > 0
        rows.append(
            (
                task,
                str(summary.images),
                str(report.images - summary.images),
                f'{100 * summary.valid / summary.pixels:.1f} %' if summary.pixels else '-',
                f'{summary.low:.3g} .. {summary.high:.3g}' if found else '-',
                str(len(summary.classes)) if summary.classes else '-',
            )
        )
    return rows
