"""How fast a config's training pipeline delivers images: loading, augmentation, packing."""

import argparse
import time
from pathlib import Path

from mmengine.registry import init_default_scope
from mmengine.runner import Runner
from rich.console import Console

from mtl3d.apis.configuration import check_data_roots, load_config, prepare
from tools.benchmarks._report import machine, write_json


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of this benchmark."""
    default = 'configs/invpt/invpt_vitt_synthrooms.py'
    parser.add_argument('config', nargs='?', default=default, help='default: %(default)s')
    parser.add_argument('--workers', nargs='+', type=int, default=[0, 1, 2], help='to compare')
    parser.add_argument('--batches', type=int, default=50, help='timed batches')
    parser.add_argument('--json', type=Path, help='write all numbers here')


def run(args: argparse.Namespace) -> None:
    """Measure with each number of workers and print images per second."""
    init_default_scope('mtl3d')
    rows = []
    for workers in args.workers:
        cfg = load_config(args.config, {'train_dataloader.num_workers': workers})
        check_data_roots(cfg, ['train_dataloader'])
        loader = Runner.build_dataloader(prepare(cfg).train_dataloader, seed=0)
        batches = iter(loader)
        next(batches)  # starts the workers
        start = time.perf_counter()
        for _ in range(args.batches):
            next(batches)
        rate = args.batches * loader.batch_size / (time.perf_counter() - start)
        rows.append(dict(workers=workers, images_per_second=rate))
        Console().print(f'{workers} workers: {rate:.1f} images/s')
    if args.json:
        write_json(args.json, dict(**machine(), config=args.config, rows=rows))
