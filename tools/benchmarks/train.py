"""Whole training steps (forward, backward, optimizer) of several configs, side by side."""

import argparse
import json
import platform
import resource
import statistics
import time
from datetime import date
from pathlib import Path

import torch
from mmengine.optim import build_optim_wrapper
from rich.console import Console
from rich.table import Table

from mtl3d.apis.configuration import load_config, use_amp
from mtl3d.registry import MODELS
from mtl3d.utils.weights import without_pretrained
from tools.benchmarks._random_batch import random_batch

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
        on_gpu = torch.cuda.is_available()
        report = dict(
            date=date.today().isoformat(),
            device=torch.cuda.get_device_name() if on_gpu else platform.machine(),
            threads=torch.get_num_threads(),
            torch=torch.__version__,
            amp=args.amp,
            steps=rows,
        )
        args.json.parent.mkdir(parents=True, exist_ok=True)
        args.json.write_text(json.dumps(report, indent=2) + '\n')


def measure(path: str, args: argparse.Namespace) -> dict:
    """Time steps on one random batch.

    Returns:
        Seconds (``median``, ``min``, ``max``) and ``peak_bytes``: of the GPU's allocator, or of
        this process up to here on a CPU.
    """
    cfg = load_config(path)
    cfg.model = without_pretrained(cfg.model.to_dict())
    if args.amp:
        use_amp(cfg, args.amp)
    device = 'cuda' if torch.cuda.is_available() else 'cpu'
    batch_size = args.batch_size or cfg.train_dataloader.batch_size
    model = MODELS.build(cfg.model).to(device).train()
    wrapper = build_optim_wrapper(model, cfg.optim_wrapper)
    seconds = []
    if device == 'cuda':
        torch.cuda.reset_peak_memory_stats()
    for step in range(args.repeats + 1):
        batch = random_batch(cfg, batch_size, device)  # anew: the preprocessor changes samples
        start = time.perf_counter()
        model.train_step(batch, wrapper)
        if device == 'cuda':
            torch.cuda.synchronize()
        if step:  # the first one warms up
            seconds.append(time.perf_counter() - start)
    if device == 'cuda':
        peak = torch.cuda.max_memory_allocated()
    else:
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return dict(
        config=path,
        batch=batch_size,
        median=statistics.median(seconds),
        min=min(seconds),
        max=max(seconds),
        peak_bytes=peak,
    )
