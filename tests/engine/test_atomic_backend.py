"""Writes that a crash, a kill or a full disk cannot leave half done."""

import builtins
import errno
import os
import signal
import subprocess
import sys
import time

import pytest
from mmengine.fileio import put

from mtl3d.engine.atomic_backend import UNFINISHED, AtomicBackend


def test_bytes_and_text_arrive_through_mmengine(tmp_path):
    put(b'one', tmp_path / 'new' / 'file', backend_args=dict(backend='atomic'))
    assert (tmp_path / 'new' / 'file').read_bytes() == b'one'
    AtomicBackend().put_text('zwei\n', tmp_path / 'new' / 'file')
    assert (tmp_path / 'new' / 'file').read_text() == 'zwei\n'
    assert [path.name for path in (tmp_path / 'new').iterdir()] == ['file']


def test_a_full_disk_leaves_the_previous_file_and_says_so(tmp_path, monkeypatch):
    path = tmp_path / 'iter_1.pth'
    AtomicBackend().put(b'good', path)
    real_open = builtins.open

    class FullDisk:
        def __init__(self, *args):
            self.file = real_open(*args)

        def __enter__(self):
            return self

        def __exit__(self, *args):
            self.file.close()

        def write(self, data):
            self.file.write(data[:2])
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(builtins, 'open', FullDisk)
    with pytest.raises(OSError, match=r'iter_1\.pth was not written: the disk is full') as info:
        AtomicBackend().put(b'better', path)
    monkeypatch.undo()
    assert info.value.errno == errno.ENOSPC
    assert path.read_bytes() == b'good'
    assert list(tmp_path.iterdir()) == [path]


def test_a_folder_that_cannot_be_made_is_reported(tmp_path):
    (tmp_path / 'file').write_bytes(b'good')
    with pytest.raises(
        OSError, match=r'iter_1\.pth was not written: (Not a directory|File exists)'
    ):
        AtomicBackend().put(b'data', tmp_path / 'file' / 'iter_1.pth')
    assert (tmp_path / 'file').read_bytes() == b'good'


def test_kill_9_during_a_write_leaves_the_previous_file(tmp_path):
    path = tmp_path / 'iter_1.pth'
    AtomicBackend().put(b'good', path)
    # The writer stops for good in the middle of its write.
    code = f"""
import os, time
from mtl3d.engine.atomic_backend import AtomicBackend
os.fsync = lambda _: time.sleep(600)
AtomicBackend().put(b'b' * 1000000, {str(path)!r})
"""
    process = subprocess.Popen([sys.executable, '-c', code])
    unfinished = path.with_name(path.name + UNFINISHED)
    while not (unfinished.exists() and unfinished.stat().st_size == 1000000):
        assert process.poll() is None
        time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert unfinished.exists()  # it was killed in the middle
    assert path.read_bytes() == b'good'
