"""The hard-sharing baseline."""

import pytest
import torch

from mtl3d.models.decoders import SingleHeadsDecoder
from mtl3d.models.tasks.base import resize

TASKS = dict(semseg=5, depth=1)


def pyramid() -> list[torch.Tensor]:
    return [torch.randn(2, c, 16 // s, 24 // s) for c, s in ((4, 1), (6, 2), (8, 4))]


def test_heads_see_all_scales_at_the_finest_grid():
    decoder = SingleHeadsDecoder(in_channels=(4, 6, 8), out_channels=TASKS)
    features = pyramid()
    output = decoder(features)
    shared = torch.cat([resize(feature, (16, 24)) for feature in features], dim=1)
    for task, channels in TASKS.items():
        conv = decoder.heads[task].conv
        assert output.predictions[task].shape == (2, channels, 16, 24)
        assert torch.equal(output.predictions[task], conv(shared))
    assert not output.auxiliary


def test_bottlenecks_are_per_task():
    decoder = SingleHeadsDecoder(in_channels=(4, 6, 8), out_channels=TASKS, channels=7)
    assert decoder.bottlenecks['depth'].conv.weight.shape == (7, 18, 3, 3)
    output = decoder(pyramid())
    (gradient,) = torch.autograd.grad(
        output.predictions['depth'].sum(),
        decoder.bottlenecks['semseg'].conv.weight,
        allow_unused=True,
    )
    assert gradient is None
    assert decoder.heads['semseg'].conv.in_channels == 7


@pytest.mark.parametrize('tasks', [TASKS, dict(normals=3)])
def test_head_of_choice_on_a_single_scale(tasks):
    decoder = SingleHeadsDecoder(in_channels=(6,), out_channels=tasks, head=dict(type='HRNetHead'))
    output = decoder([torch.randn(2, 6, 5, 7)])
    assert {k: v.shape[1:] for k, v in output.predictions.items()} == {
        task: (channels, 5, 7) for task, channels in tasks.items()
    }
    head = next(iter(decoder.heads.values()))
    assert head.fuse.conv.kernel_size == (1, 1) and head.fuse.conv.bias is not None
