"""Whole training steps (forward, backward, optimizer) of several configs, side by side."""

import argparse
import resource
import statistics
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from rich.table import Table

from tools.benchmarks._report import machine, write_json
from tools.benchmarks._training_step import TrainingStep

DEFAULT = [
    'configs/invpt/invpt_vitt_synthrooms.py',
    'configs/invpt/invpt_vitt_synthrooms_3dreg.py',
]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of this benchmark."""
    parser.add_argument('configs', nargs='*', default=DEFAULT, help='default: %(default)s')
    parser.add_argument('--batch-size', type=int, help="default: each config's own")
    parser.add_argument('--repeats', type=int, default=5, help='timed steps')
    parser.add_argument('--amp', choices=('bf16', 'fp16'), help='mixed precision, on a GPU')
    parser.add_argument('--json', type=Path, help='write all numbers here')


def run(args: argparse.Namespace) -> None:
    """Measure every config and print a table."""
    rows = [measure(path, args) for path in args.configs]
    table = Table(title='Training steps')
    table.add_column('config', overflow='fold', min_width=32)
    for column in ('batch', 'median', 'min', 'max', 'of the first', 'peak memory'):
        table.add_column(column)
    for row in rows:
        times = (f'{row[key]:.3f} s' for key in ('median', 'min', 'max'))
        ratio = f'{row["median"] / rows[0]["median"]:.2f}'
        peak = f'{row["peak_bytes"] / 2**30:.2f} GiB'
        table.add_row(Path(row['config']).stem, str(row['batch']), *times, ratio, peak)
    Console().print(table)
    if args.json:
        write_json(args.json, dict(**machine(), amp=args.amp, steps=rows))


def measure(path: str, args: argparse.Namespace) -> dict[str, Any]:
    """Time steps on one random batch.

    Returns:
        Seconds (``median``, ``min``, ``max``) and ``peak_bytes``: of the GPU's allocator, or of
        this process up to here on a CPU.
    """
    step = TrainingStep(path, batch_size=args.batch_size, amp=args.amp)
    if step.device == 'cuda':
        torch.cuda.reset_peak_memory_stats()
    seconds = [step() for _ in range(args.repeats + 1)][1:]  # the first one warms up
    if step.device == 'cuda':
        peak = torch.cuda.max_memory_allocated()
    else:
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return dict(
        config=path,
        batch=step.batch_size,
        median=statistics.median(seconds),
        min=min(seconds),
        max=max(seconds),
        peak_bytes=peak,
    )
