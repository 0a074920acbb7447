#!/usr/bin/env python
"""The whole job on the embedded data set: make it, train, evaluate, draw, and compare.

Each step is one of the tools, called as one would call it by hand; the command is printed before it
runs. A training run that has finished is not repeated, one that was killed continues.
"""

import argparse
import json
import os
import shlex
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from mtl3d.apis.command_line import run_tool

CONFIG = 'configs/invpt/invpt_vitt_synthrooms_3dreg.py'
#: The metric that speaks for each task, its unit, and whether higher is better.
HEADLINES = {
    'semseg': ('mIoU', '%', True),
    'human_parts': ('mIoU', '%', True),
    'depth': ('rmse', 'm', False),
    'normals': ('mean', 'deg', False),
    'edge': ('odsF', '%', True),
    'saliency': ('maxF', '%', True),
}


def main(argv: Sequence[str] | None = None) -> None:
    """Run every step and print the comparison.

    Raises:
        ChildProcessError: A step failed.
    """
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--work-dir', type=Path, default=Path('work_dirs/quickstart'))
    parser.add_argument(
        '--cfg-options', nargs='+', default=[], metavar='KEY=VALUE', help='handed to every tool'
    )
    args = parser.parse_args(argv)

    # Torch takes seconds to import; wrong arguments have been reported by now.
    from mtl3d.apis.checkpoint import find_checkpoint

    start = time.monotonic()
    os.chdir(ROOT)  # the data set and the configs are there
    work_dir = args.work_dir
    options = ['--cfg-options', *args.cfg_options] if args.cfg_options else []

    run('tools/dataset_converters/synth_rooms.py')
    resume = ['--resume'] if (work_dir / 'last_checkpoint').is_file() else []
    run('tools/train.py', CONFIG, '--work-dir', work_dir, *resume, *options)
    checkpoint = find_checkpoint(work_dir)
    results = work_dir / 'results.json'
    run(
        'tools/test.py', CONFIG, checkpoint, '--work-dir', work_dir, '--outputs', 'all',
        '--out', results, *options,
    )  # fmt: skip
    constant = work_dir / 'constant.json'
    run('tools/constant_baseline.py', CONFIG, '--out', constant, *options)
    run('tools/plot_curves.py', work_dir)

    comparison = compare(read_metrics(constant), read_metrics(results))
    (work_dir / 'comparison.txt').write_text(comparison)
    print(f'\n{comparison}')
    print(f'Curves:     {work_dir}/curves.png')
    print(f'Panels:     {work_dir}/panels/ (input, truth, prediction, rendering)')
    print(f'Checkpoint: {checkpoint}')
    print(f'Results:    {results}')
    print(f'Done in {time.monotonic() - start:.0f} s.')


def run(tool: str, *arguments: object) -> None:
    """Print a tool's command line and run it.

    Raises:
        ChildProcessError: It failed; it has said why.
    """
    words = [tool, *map(str, arguments)]
    print(f'\n$ python {shlex.join(words)}', flush=True)
    status = subprocess.run([sys.executable, *words]).returncode
    if status:
        raise ChildProcessError(f'{tool} failed with status {status}')


def read_metrics(path: Path) -> dict[str, float]:
    """Read metric -> value from a results file."""
    return json.loads(path.read_text())['metrics']


def compare(constant: dict[str, float], model: dict[str, float]) -> str:
    """Put the model's three outputs beside the best constant.

    Args:
        constant: Metrics of the constant predictor.
        model: Metrics of ``tools/test.py --outputs all``.

    Returns:
        A table in Markdown; a better number than the constant's is marked.
    """
    lines = [
        '| task | metric | best constant | heads | rendered | average |',
        '|---|---|---:|---:|---:|---:|',
    ]
    for task, (metric, unit, higher_is_better) in HEADLINES.items():
        floor = constant[f'{task}/{metric}']
        cells = []
        for prefix in (task, f'{task}.regularizer', f'{task}.average'):
            value = model[f'{prefix}/{metric}']
            better = value > floor if higher_is_better else value < floor
            cells.append(f'{value:.2f}{" ✓" if better else ""}')
        arrow = '↑' if higher_is_better else '↓'
        head = f'| {task} | {metric} ({unit}) {arrow} | {floor:.2f} |'
        lines.append(f'{head} {" | ".join(cells)} |')
    return '\n'.join(lines) + '\n'


if __name__ == '__main__':
    sys.exit(run_tool(main))
