#!/usr/bin/env python
"""Everything that waits for a GPU, in order of worth, each part with a time limit of its own.

Together the limits stay within ten minutes. Results go to $OUT (default: work_dirs/gpu). A part
that fails or runs out of time does not stop the others; what it had written is kept, and
`session.json` tells how each part ended. Nothing of mtl3d is imported here: what it needs may come
with --wheels.
"""

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
TIMED_OUT = 124

#: Name -> time limit in seconds, and the words after ``python``.
Parts = Mapping[str, tuple[int, list[str]]]

INVPT_VITL = [f'configs/invpt/invpt_vitl_nyud{variant}.py' for variant in ('', '_3dreg')]
SYNTHROOMS = [f'configs/invpt/invpt_vitt_synthrooms{variant}.py' for variant in ('', '_3dreg')]


def parts(out: Path) -> Parts:
    """List the parts; each writes its results to a folder."""
    # By name, because collecting all tests would import what only the others need.
    files = (ROOT / 'tests').rglob('test_*.py')
    gpu_tests = sorted(str(file) for file in files if 'mark.gpu' in file.read_text())
    regularizer = ['tools/benchmark.py', 'regularizer']
    main_cases = [
        '--sizes',
        '56x72',
        '224x288',
        '--samples',
        '48',
        '--batches',
        '6',
        '--tasks',
        '4',
    ]
    return {
        'tests': (110, ['-m', 'pytest', *gpu_tests, '-m', 'gpu', f'--junitxml={out}/tests.xml']),
        'regularizer': (120, [*regularizer, *main_cases, '--json', f'{out}/regularizer.json']),
        'train': (
            60,
            ['tools/benchmark.py', 'train', *INVPT_VITL, '--amp', 'bf16', '--json']
            + [f'{out}/train.json'],
        ),
        'sweep': (60, [*regularizer, '--steps', '--json', f'{out}/regularizer_sweep.json']),
        'rooms': (40, ['tools/dataset_converters/synth_rooms.py', '--out', 'data/synthrooms']),
        'synthrooms': (
            200,
            ['tools/compare.py', *SYNTHROOMS, '--seeds', '0', '1', '2', '--jobs', '6']
            + ['--work-dir', 'work_dirs/gpu_compare', '--out', f'{out}/synthrooms.json'],
        ),
    }


def main(argv: Sequence[str] | None = None) -> int:
    """Run the parts one after the other; returns the number of those that failed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--only', nargs='+', choices=parts(Path()), help='default: all parts')
    parser.add_argument(
        '--wheels', type=Path, metavar='FOLDER',
        help='packages that this machine lacks, for one without network',
    )  # fmt: skip
    args = parser.parse_args(argv)
    out = Path(os.environ.get('OUT', ROOT / 'work_dirs' / 'gpu')).resolve()
    out.mkdir(parents=True, exist_ok=True)
    chosen = {name: part for name, part in parts(out).items() if name in (args.only or parts(out))}
    with tempfile.TemporaryDirectory() as site:
        if args.wheels:
            install(args.wheels, site)
        report = run_parts(chosen, out / 'session.json', site)
    failed = [name for name, part in report.items() if part['status']]
    if failed:
        print(f'gpu_session.py: {", ".join(failed)} failed or ran out of time, see {out}')
    return len(failed)


def install(wheels: Path, site: str) -> None:
    """Install all wheels of a folder into another folder."""
    files = sorted(wheels.glob('*.whl'))
    if not files:
        sys.exit(f'gpu_session.py: error: there are no wheels in {wheels}')
    options = ['--quiet', '--no-index', '--no-deps', '--no-compile', '--target', site]
    subprocess.run([sys.executable, '-m', 'pip', 'install', *options, *files], check=True)


def run_parts(chosen: Parts, report_file: Path, site: str) -> dict[str, dict[str, float]]:
    """Run parts one after the other, and write down after each how it ended.

    Args:
        chosen: The parts.
        report_file: Where the report goes.
        site: A folder of further packages.

    Returns:
        Name -> ``status`` (0; 124 if it ran out of time) and ``seconds``.
    """
    paths = [site, *filter(None, [os.environ.get('PYTHONPATH')])]
    environment = {**os.environ, 'PYTHONPATH': os.pathsep.join(paths)}
    report = {}
    for name, (limit, words) in chosen.items():
        print(f'\n== {name} (at most {limit} s): python {" ".join(words)}', flush=True)
        start = time.monotonic()
        # In a session of its own, because a part may have started processes that must end with it.
        process = subprocess.Popen(
            [sys.executable, *words], cwd=ROOT, env=environment, start_new_session=True
        )
        try:
            status = process.wait(limit)
        except subprocess.TimeoutExpired:
            status = TIMED_OUT
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
        report[name] = dict(status=status, seconds=round(time.monotonic() - start, 1))
        report_file.write_text(json.dumps(report, indent=2) + '\n')
    return report


if __name__ == '__main__':
    sys.exit(main())
