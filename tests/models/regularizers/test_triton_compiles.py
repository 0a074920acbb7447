"""Triton's compiler takes the kernels as they are launched, for an H200, without a GPU.

The interpreter runs much that the compiler refuses. This is a process of its own, since Triton
decides once whether it interprets.
"""

import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest


@pytest.mark.skipif(not find_spec('triton'), reason='Triton is not installed')
def test_every_kernel_compiles(tmp_path):
    script = Path(__file__).with_name('compile_kernels.py')
    environment = {**os.environ, 'TRITON_CACHE_DIR': str(tmp_path)}
    environment.pop('TRITON_INTERPRET', None)
    done = subprocess.run(
        [sys.executable, str(script)], capture_output=True, text=True, env=environment
    )
    assert done.returncode == 0, done.stderr
    assert set(done.stdout.split()) == {
        '_along_rays_kernel', '_across_rays_kernel', '_walk_kernel', '_resample_kernel',
        '_terminate_kernel', '_gradient_kernel',
    }  # fmt: skip
