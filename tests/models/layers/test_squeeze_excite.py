"""The gate of squeeze-and-excitation in closed form."""

import torch

from mtl3d.models.layers.squeeze_excite import SqueezeExcite


def test_each_channel_is_scaled_by_the_gate_of_the_means():
    module = SqueezeExcite(2, reduction=1)
    for layer in (module.gate[0], module.gate[2]):
        layer.weight.data.copy_(torch.eye(2))
        layer.bias.data.zero_()
    feature = torch.rand(3, 2, 4, 5)  # positive: the ReLU lets the means pass
    mean = feature.flatten(2).sum(2) / 20
    torch.testing.assert_close(module(feature), feature * mean.sigmoid().view(3, 2, 1, 1))
