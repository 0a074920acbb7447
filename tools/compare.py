#!/usr/bin/env python
"""Train several configs with several seeds, side by side, and compare their test results.

    python tools/compare.py configs/invpt/invpt_vitt_synthrooms.py \
        configs/invpt/invpt_vitt_synthrooms_3dreg.py --seeds 0 1 2 --jobs 6

Each run is `tools/train.py` followed by `tools/test.py`. A run whose results are there is not
repeated, and one that was killed continues. Prints a table of means and standard deviations over
the seeds and writes all numbers as JSON.
"""

import argparse
import json
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from mtl3d.apis.command_line import input_file, output_file, output_folder, run_tool


def main(argv: Sequence[str] | None = None) -> None:
    """Run everything and print the comparison.

    Raises:
        ChildProcessError: A run failed; its log is named.
    """
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('configs', nargs='+', type=input_file)
    parser.add_argument('--seeds', nargs='+', type=int, default=[0, 1, 2])
    parser.add_argument('--jobs', type=int, default=1, help='runs at a time')
    parser.add_argument('--work-dir', type=output_folder, default='work_dirs/compare')
    parser.add_argument(
        '--out', type=output_file, help='JSON file; default: WORK_DIR/comparison.json'
    )
    parser.add_argument('--amp', choices=('bf16', 'fp16'), help='handed to tools/train.py')
    parser.add_argument(
        '--cfg-options', nargs='+', default=[], metavar='KEY=VALUE', help='handed to every run'
    )
    args = parser.parse_args(argv)
    start = time.monotonic()
    args.work_dir = args.work_dir.resolve()  # the runs have another current directory
    runs = [(config.resolve(), seed) for config in args.configs for seed in args.seeds]
    if len({(config.stem, seed) for config, seed in runs}) < len(runs):
        raise ValueError('two runs would share a work dir: a config name or a seed comes twice')
    with ThreadPoolExecutor(args.jobs) as pool:
        results = list(pool.map(lambda job: run(*job, args), runs))
    report = summarize(runs, results)
    report |= dict(
        command=' '.join(['python', *sys.argv]),
        date=time.strftime('%Y-%m-%d'),
        machine=machine(),
        seconds=round(time.monotonic() - start),
    )
    out = args.out or args.work_dir / 'comparison.json'
    out.write_text(json.dumps(report, indent=2) + '\n')
    print(table(report['configs']))
    print(f'All numbers: {out}')


def run(config: Path, seed: int, args: argparse.Namespace) -> dict[str, float | None]:
    """Train and test one config with one seed; returns metric -> value, None for no value."""
    work_dir = args.work_dir / f'{config.stem}_seed{seed}'
    results = work_dir / 'results.json'
    if not results.is_file():
        work_dir.mkdir(parents=True, exist_ok=True)
        options = ['--cfg-options', f'randomness.seed={seed}', *args.cfg_options]
        common = ['--work-dir', str(work_dir), *options]
        resume = ['--resume'] if (work_dir / 'last_checkpoint').is_file() else []
        amp = ['--amp', args.amp] if args.amp else []
        call(work_dir, 'tools/train.py', config, *resume, *amp, *common)

        from mtl3d.apis.checkpoint import find_checkpoint  # torch takes seconds to import

        checkpoint = find_checkpoint(work_dir)
        call(work_dir, 'tools/test.py', config, checkpoint, '--out', results, *common)
    return json.loads(results.read_text())['metrics']


def call(work_dir: Path, *words: object) -> None:
    """Run a tool with its output in ``work_dir/console.log``.

    Raises:
        ChildProcessError: It failed.
    """
    log = work_dir / 'console.log'
    with log.open('a') as stream:
        command = [sys.executable, *map(str, words)]
        status = subprocess.run(command, cwd=ROOT, stdout=stream, stderr=stream).returncode
    if status:
        raise ChildProcessError(f'{words[0]} {words[1]} failed with status {status}, see {log}')


def summarize(runs: Sequence[tuple[Path, int]], results: Sequence[dict[str, float | None]]) -> dict:
    """Collect every metric of every config over the seeds.

    Args:
        runs: Config and seed of each run.
        results: Metric -> value of each run, None for no value.

    Returns:
        ``configs``: config's stem -> metric -> ``values`` (by seed), ``mean`` and ``std`` (of the
        sample; 0 for one seed); both are None where a run has no value of this metric.
    """
    configs: dict[str, dict[str, dict]] = {}
    for (config, seed), metrics in zip(runs, results, strict=True):
        collected = configs.setdefault(config.stem, {})
        for metric, value in metrics.items():
            collected.setdefault(metric, dict(values={}))['values'][str(seed)] = value
    for collected in configs.values():
        for entry in collected.values():
            values = list(entry['values'].values())
            if None in values:
                entry |= dict(mean=None, std=None)
                continue
            entry['mean'] = statistics.fmean(values)
            entry['std'] = statistics.stdev(values) if len(values) > 1 else 0.0
    return dict(configs=configs)


def table(configs: dict[str, dict[str, dict]]) -> str:
    """Lay out each task's headline metric, one config per row, in Markdown."""
    from mtl3d.evaluation.metrics.multi_task_delta import HEADLINES

    metrics = [f'{task}/{metric}' for task, metric in HEADLINES.items()]
    metrics = [metric for metric in metrics if all(metric in found for found in configs.values())]
    lines = [f'| config | {" | ".join(metrics)} |', '|---|' + '---:|' * len(metrics)]
    for stem, found in configs.items():
        cells = [
            'no value' if found[m]['mean'] is None else '{mean:.3f} ± {std:.3f}'.format(**found[m])
            for m in metrics
        ]
        lines.append(f'| {stem} | {" | ".join(cells)} |')
    return '\n'.join(lines)


def machine() -> str:
    """Describe the processor, and the GPU where there is one."""
    import torch

    if torch.cuda.is_available():
        return torch.cuda.get_device_name()
    return f'{platform.machine()}, {torch.get_num_threads()} threads'


if __name__ == '__main__':
    sys.exit(run_tool(main))
