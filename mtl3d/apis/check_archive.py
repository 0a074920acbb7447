"""The common part of the tools that check an extracted archive."""

import argparse
import os
from collections.abc import Mapping, Sequence
from functools import partial

from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from mtl3d.datasets.archive_report import SplitReport, check_split, report_rows
from mtl3d.datasets.multi_task_dataset import MultiTaskDataset

MAX_PROBLEMS = 20


def check_archive(
    dataset: type[MultiTaskDataset],
    splits: Mapping[str, tuple[str, int]],
    argv: Sequence[str] | None,
    description: str,
    default_root: str,
    resize: bool = False,
) -> None:
    """Parse the arguments, read every file of an archive, and print what was found.

    Args:
        dataset: The data set's class.
        splits: Name -> (list below the data root, published number of images).
        argv: Arguments of the command line.
        description: Text of ``--help``.
        default_root: Default of the data root.
        resize: Whether labels of another size are accepted.

    Raises:
        ValueError: Files cannot be used; the table and the list of them have been printed.
    """
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    parser.add_argument('data_root', nargs='?', default=os.environ.get('DATA_ROOT', default_root))
    parser.add_argument('--tasks', nargs='+', help='check these labels only')
    parser.add_argument('--workers', type=int, default=os.cpu_count() or 1, help='processes')
    args = parser.parse_args(argv)

    console = Console()
    problems = 0
    for split, (ann_file, published) in splits.items():
        data = dataset(data_root=args.data_root, ann_file=ann_file, tasks=args.tasks)
        with Progress(console=console, transient=True) as progress:
            bar = progress.add_task(split, total=len(data))
            report = check_split(data, resize, args.workers, partial(progress.advance, bar))
        print_report(console, split, report, published)
        problems += len(report.problems)
    if problems:
        raise ValueError(f'{problems} files of {args.data_root} have problems, listed above')
    console.print('Every file can be used.')


def print_report(console: Console, split: str, report: SplitReport, published: int) -> None:
    """Print one split's table and its problems.

    Args:
        console: Where to.
        split: Name of the split.
        report: What was found.
        published: Images that the published split has.
    """
    sizes = ', '.join(f'{h} x {w} ({n})' for (h, w), n in report.sizes.most_common(3))
    more = f' and {len(report.sizes) - 3} more' if len(report.sizes) > 3 else ''
    table = Table(title=f'{split}: {report.images} images (published: {published}), {sizes}{more}')
    for column in ('task', 'labels', 'missing', 'valid pixels', 'range', 'classes'):
        table.add_column(column, justify='left' if column == 'task' else 'right')
    for row in report_rows(report):
        table.add_row(*row)
    console.print(table)
    for problem in report.problems[:MAX_PROBLEMS]:
        console.print(f'- {problem}', markup=False, highlight=False, soft_wrap=True)
    if len(report.problems) > MAX_PROBLEMS:
        console.print(f'... and {len(report.problems) - MAX_PROBLEMS} more problems')
