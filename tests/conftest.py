"""Set-up shared by all tests."""

import os

import pytest
import torch

from mtl3d.utils.compat import ensure_torchvision

if not torch.cuda.is_available():
    # Without a GPU, Triton's kernels are tested in its interpreter. Triton must know before it is
    # imported, which torchvision does.
    os.environ['TRITON_INTERPRET'] = '1'
ensure_torchvision()
torch.set_num_threads(1)


@pytest.fixture(autouse=True)
def _fixed_seed() -> None:
    torch.manual_seed(0)
