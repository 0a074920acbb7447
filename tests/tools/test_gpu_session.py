"""The session on a GPU: one part's end is not another's, and nothing outlives its time."""

import json
import os
import time
import zipfile

import pytest

from tools import gpu_session

LEAVES_A_CHILD = """
import pathlib, subprocess, sys, time
child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'])
pathlib.Path(sys.argv[1]).write_text(str(child.pid))
time.sleep(600)
"""


def is_running(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    with open(f'/proc/{pid}/stat') as file:  # it may have ended without anyone having asked
        return file.read().rpartition(')')[2].split()[0] != 'Z'


def test_parts_that_fail_or_hang_do_not_stop_the_others(tmp_path):
    pid, mark = tmp_path / 'pid', tmp_path / 'mark'
    chosen = {
        'broken': (60, ['-c', 'raise SystemExit(3)']),
        'hanging': (10, ['-c', LEAVES_A_CHILD, str(pid)]),
        'good': (60, ['-c', f'open({str(mark)!r}, "w")']),
    }
    report = gpu_session.run_parts(chosen, tmp_path / 'session.json', str(tmp_path))
    assert [part['status'] for part in report.values()] == [3, gpu_session.TIMED_OUT, 0]
    assert json.loads((tmp_path / 'session.json').read_text()) == report
    assert mark.exists()
    deadline = time.monotonic() + 30
    while is_running(int(pid.read_text())) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not is_running(int(pid.read_text()))


def test_packages_come_from_a_folder_of_wheels(tmp_path):
    name = 'mtl3d_carried'
    with zipfile.ZipFile(tmp_path / f'{name}-1.0-py3-none-any.whl', 'w') as wheel:
        info = f'{name}-1.0.dist-info'
        wheel.writestr(f'{name}.py', '')
        wheel.writestr(f'{info}/METADATA', f'Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n')
        wheel.writestr(f'{info}/WHEEL', 'Wheel-Version: 1.0\nTag: py3-none-any\n')
        wheel.writestr(f'{info}/RECORD', '')
    site = tmp_path / 'site'
    gpu_session.install(tmp_path, str(site))
    chosen = {'import': (60, ['-c', f'import {name}'])}
    report = gpu_session.run_parts(chosen, tmp_path / 'session.json', str(site))
    assert report['import']['status'] == 0
    with pytest.raises(SystemExit, match='there are no wheels in'):
        gpu_session.install(site, str(site))


def test_the_limits_of_all_parts_fit_into_ten_minutes(tmp_path):
    assert sum(limit for limit, _ in gpu_session.parts(tmp_path).values()) < 600
