#!/usr/bin/env python
"""Everything that waits for a GPU, in order of worth, each part with a time limit of its own.

Results go to $OUT (default: work_dirs/gpu). A part that fails or runs out of time does not stop the
others; what it had written is kept, and `session.json` tells how each part ended.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from mtl3d.apis.command_line import run_tool

INVPT_VITL = [f'configs/invpt/invpt_vitl_nyud{variant}.py' for variant in ('', '_3dreg')]
SYNTHROOMS = [
    f'configs/invpt/invpt_vitt_synthrooms{variant}.py' for variant in ('', '_3dreg')
]  # fmt: skip


def parts(out: Path) -> dict[str, tuple[int, list[str]]]:
    """List the parts: name -> time limit in seconds, and the words after ``python``."""
    rooms = 'data/synthrooms'
    return {
        'tests': (120, ['-m', 'pytest', '-m', 'gpu', f'--junitxml={out}/tests.xml']),
        'regularizer': (
            150,
            ['tools/benchmark.py', 'regularizer', '--json', f'{out}/regularizer.json'],
        ),
        'train': (
            90,
            ['tools/benchmark.py', 'train', *INVPT_VITL, '--amp', 'bf16', '--json']
            + [f'{out}/train.json'],
        ),
        'rooms': (60, ['tools/dataset_converters/synth_rooms.py', '--out', rooms]),
        'synthrooms': (
            230,
            ['tools/compare.py', *SYNTHROOMS, '--seeds', '0', '1', '2', '--jobs', '6']
            + ['--work-dir', 'work_dirs/gpu_compare', '--out', f'{out}/synthrooms.json'],
        ),
    }


def main(argv: Sequence[str] | None = None) -> None:
    """Run the parts one after the other.

    Raises:
        ChildProcessError: A part failed or ran out of time.
    """
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--only', nargs='+', help='names of parts; default: all')
    args = parser.parse_args(argv)
    out = Path(os.environ.get('OUT', 'work_dirs/gpu')).resolve()
    out.mkdir(parents=True, exist_ok=True)
    report = {}
    for name, (limit, words) in parts(out).items():
        if args.only and name not in args.only:
            continue
        print(f'\n== {name} (at most {limit} s): python {" ".join(words)}', flush=True)
        start = time.monotonic()
        try:
            status = subprocess.run([sys.executable, *words], cwd=ROOT, timeout=limit).returncode
        except subprocess.TimeoutExpired:
            status = 124
        report[name] = dict(status=status, seconds=round(time.monotonic() - start, 1))
        (out / 'session.json').write_text(json.dumps(report, indent=2) + '\n')
    failed = [name for name, part in report.items() if part['status']]
    if failed:
        raise ChildProcessError(f'{", ".join(failed)} failed or ran out of time, see {out}')


if __name__ == '__main__':
    sys.exit(run_tool(main))
