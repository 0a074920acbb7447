"""Set-up shared by all tests."""

import pytest
import torch

from mtl3d.utils.compat import ensure_torchvision

ensure_torchvision()
torch.set_num_threads(1)


@pytest.fixture(autouse=True)
def _fixed_seed() -> None:
    torch.manual_seed(0)
