"""Boundary evaluation of one image, all thresholds, against the same thing made of SciPy parts."""

import argparse
import json
import math
import os
import platform
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table
from scipy.sparse import csr_array
from scipy.sparse.csgraph import min_weight_full_bipartite_matching
from scipy.spatial import cKDTree
from skimage.morphology import thin

from mtl3d.evaluation.functional import edges

DATA = Path(__file__).resolve().parents[2] / 'tests' / 'data' / 'edges'
#: Synthetic maps as dense as those of the data sets, with what they were made for.
CASES = {'nyud': 'edges_nyud_typical.npz', 'pascal': 'edges_pascal_landscape.npz'}
#: Seconds that this must not exceed on one core.
TARGETS = {
    ('nyud', 'seism'): 0.5,
    ('nyud', 'max'): 0.12,
    ('pascal', 'seism'): 0.4,
    ('pascal', 'max'): 0.08,
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of this benchmark."""
    parser.add_argument(
        '--repeats', type=int, default=5, help='timings, of which the median counts'
    )
    parser.add_argument('--images', type=int, default=16, help='for the timing of the workers')
    parser.add_argument('--workers', type=int, default=2, help='compared with one')
    parser.add_argument('--json', metavar='OUT', help='write all numbers to this file')


def run(args: argparse.Namespace) -> dict[str, Any]:
    """Time both sizes and both matchers, print a table, and return all numbers."""
    rows = [row for name in CASES for row in _time_case(name, args)]
    report = dict(
        rows=rows,
        machine=dict(processor=platform.processor() or platform.machine(), cores=os.cpu_count()),
        settings=dict(repeats=args.repeats, images=args.images, workers=args.workers),
    )
    table = Table(title='Boundary evaluation, 101 thresholds, everything from the probabilities on')
    for column in (
        'image', 'max_dist', 'matcher', 's/image', 'CPU s', 'target', 'SciPy route s',
        'times faster', 's/image, 1 worker', f's/image, {args.workers} workers', 'ratio',
    ):  # fmt: skip
        table.add_column(column, justify='right')
    for row in rows:
        table.add_row(
            '{height}x{width}'.format(**row),
            str(row['max_dist']),
            row['matcher'],
            *(f'{row[key]:.3f}' for key in ('seconds', 'cpu_seconds')),
            f'{row["target_seconds"]:.2f}',
            f'{row["scipy_seconds"]:.2f}',
            f'{row["speedup"]:.1f}',
            *(f'{row[key]:.3f}' for key in ('one_worker', 'many_workers')),
            f'{row["one_worker"] / row["many_workers"]:.2f}',
        )
    Console(width=160).print(table)
    if args.json:
        Path(args.json).write_text(json.dumps(report, indent=1) + '\n')
    return report


def _time_case(name: str, args: argparse.Namespace) -> list[dict[str, Any]]:
    with np.load(DATA / CASES[name]) as data:
        prob, max_dist = data['prob_png'], float(data['max_dist'])
        gt = np.unpackbits(data['gt_thin'][0], axis=-1)[:, : prob.shape[1]].astype(bool)

    def ours(matcher: str, seed: int = 0) -> NDArray[np.int64]:
        return edges.evaluate_image(prob, gt, max_dist=max_dist, matcher=matcher, seed=seed)

    expected = scipy_route(prob, gt, max_dist)
    scipy_seconds, scipy_cpu_seconds = _median_time(
        lambda: scipy_route(prob, gt, max_dist), max(1, args.repeats // 3)
    )
    rows = []
    for matcher in edges.MATCHERS:
        counts = ours(matcher)  # compiles
        if matcher == 'max' and not np.array_equal(counts[:, 0], expected):
            raise RuntimeError(f'{name}: the maximum matching is not the one of SciPy')
        seconds, cpu_seconds = _median_time(lambda m=matcher: ours(m), args.repeats)
        rows.append(
            dict(
                image=name,
                height=prob.shape[0],
                width=prob.shape[1],
                max_dist=max_dist,
                matcher=matcher,
                seconds=seconds,
                cpu_seconds=cpu_seconds,
                target_seconds=TARGETS[name, matcher],
                scipy_seconds=scipy_seconds,
                scipy_cpu_seconds=scipy_cpu_seconds,
                # Of CPU seconds, which other programs on the machine disturb less.
                speedup=scipy_cpu_seconds / cpu_seconds,
                one_worker=_throughput(lambda s, m=matcher: ours(m, s), 1, args),
                many_workers=_throughput(lambda s, m=matcher: ours(m, s), args.workers, args),
            )
        )
    return rows


def scipy_route(prob: NDArray[np.uint8], gt: NDArray[np.bool_], max_dist: float) -> NDArray:
    """Count maximum matchings with scikit-image's thinning and SciPy's sparse assignment.

    Args:
        prob: ``(H, W)`` uint8.
        gt: ``(H, W)`` bool.
        max_dist: Relative to the diagonal.

    Returns:
        ``(T,)`` the pairs matched at each threshold of the protocol ``seism``.
    """
    suppressed = edges.nms(prob)
    radius = max_dist * math.hypot(*gt.shape)
    targets = np.argwhere(gt)
    tree = cKDTree(targets)
    out_cost = math.ceil(100 * 100 * radius)
    counts = []
    for threshold in edges.PROTOCOLS['seism'].thresholds:
        points = np.argwhere(thin(suppressed > np.float32(threshold)))
        found = cKDTree(points).sparse_distance_matrix(
            tree, radius * (1 + 1e-12), output_type='coo_matrix'
        ) if len(points) else None  # fmt: skip
        if found is None or found.nnz == 0:
            counts.append(0)
            continue
        rows, columns, size = found.row, found.col, len(targets)
        if len(points) > len(targets):  # the solver is fastest with few rows
            rows, columns, size = columns, rows, len(points)
        # A private way out for each row makes the assignment full; zero would mean "no edge".
        present, rows = np.unique(rows, return_inverse=True)
        own = np.arange(present.size)
        graph = csr_array(
            (
                np.r_[np.rint(100 * found.data) + 1, np.full(own.size, out_cost + 1.0)],
                (np.r_[rows, own], np.r_[columns, size + own]),
            ),
            shape=(own.size, size + own.size),
        )
        counts.append(int((min_weight_full_bipartite_matching(graph)[1] < size).sum()))
    return np.array(counts)


def _median_time(function: Callable[[], Any], repeats: int) -> tuple[float, float]:
    """Time a function: the medians of wall and of CPU seconds."""
    walls, cpus = [], []
    for _ in range(repeats):
        wall, cpu = time.perf_counter(), time.process_time()
        function()
        walls.append(time.perf_counter() - wall)
        cpus.append(time.process_time() - cpu)
    return float(np.median(walls)), float(np.median(cpus))


def _throughput(function: Callable[[int], Any], workers: int, args: argparse.Namespace) -> float:
    """Time many images on some threads: wall seconds per image, the best of three."""
    with ThreadPoolExecutor(workers) as pool:
        walls = []
        for _ in range(3):
            start = time.perf_counter()
            list(pool.map(function, range(args.images)))
            walls.append(time.perf_counter() - start)
    return min(walls) / args.images
