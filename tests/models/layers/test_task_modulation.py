"""How far a modulated convolution reaches."""

import pytest
import torch

from mtl3d.models.layers.task_modulation import ModulatedUnit


@pytest.mark.parametrize('dilation', [1, 3])
def test_a_point_spreads_by_the_dilation(dilation):
    unit = ModulatedUnit(('depth',), 1, 1, dilation=dilation).eval()
    unit.conv.conv.weight.data.fill_(1.0)
    point = torch.zeros(1, 1, 9, 9)
    point[..., 4, 4] = 1
    rows, columns = (unit(point, 'depth')[0, 0] > 0).nonzero().unbind(1)
    reached = {4 - dilation, 4, 4 + dilation}
    assert set(rows.tolist()) == set(columns.tolist()) == reached and len(rows) == 9
