"""Attention functions of the contexts against slow references that follow the formulas."""

import pytest
import torch
import torch.nn.functional as F

from mtl3d.models.layers.context_attention import (
    linear_attention,
    local_attention,
    pool_regions,
    region_weights,
)


def double(*shape, requires_grad=False):
    return torch.randn(*shape, dtype=torch.float64, requires_grad=requires_grad)


def test_linear_attention_is_the_normalised_sum_over_all_positions():
    query, key = torch.rand(2, 5, 3), torch.rand(2, 7, 3)
    value = torch.randn(2, 7, 4)
    similarity = torch.einsum('nlc,npc->nlp', query, key)
    expected = (similarity / similarity.sum(-1, keepdim=True)) @ value
    torch.testing.assert_close(linear_attention(query, key, value), expected)


def test_linear_attention_to_nothing_is_finite():
    zero = torch.zeros(1, 4, 2, requires_grad=True)
    result = linear_attention(zero, torch.zeros(1, 4, 2), torch.ones(1, 4, 2))
    result.sum().backward()
    assert (result == 0).all() and zero.grad.isfinite().all()


@pytest.mark.parametrize('dtype', [torch.float16, torch.bfloat16])
def test_sums_over_an_image_do_not_overflow_under_autocast(dtype):
    query, key, value = (torch.full((1, 50_000, 2), 4.0) for _ in range(3))
    with torch.autocast('cpu', dtype=dtype):
        result = linear_attention(query.to(dtype), key.to(dtype), value.to(dtype))
        mean = pool_regions(
            region_weights(torch.zeros(1, 1, 1, 50_000)), torch.full((1, 1, 1, 50_000), 3.0)
        )
    torch.testing.assert_close(result, value)
    torch.testing.assert_close(mean, torch.full((1, 1, 1, 1), 3.0), rtol=1e-4, atol=0)


def slow_local_attention(query, key, value, window):
    """Pixel by pixel; a neighbour outside has score 0 and value 0."""
    batch, channels, height, width = query.shape
    reach = window // 2
    result = torch.zeros(batch, value.shape[1], height, width, dtype=query.dtype)
    for n in range(batch):
        for y in range(height):
            for x in range(width):
                scores, values = [], []
                for dy in range(-reach, reach + 1):
                    for dx in range(-reach, reach + 1):
                        inside = 0 <= y + dy < height and 0 <= x + dx < width
                        k = key[n, :, y + dy, x + dx] if inside else torch.zeros(channels).double()
                        v = value[n, :, y + dy, x + dx] if inside else 0 * value[n, :, 0, 0]
                        scores.append(query[n, :, y, x] @ k / channels**0.5)
                        values.append(v)
                weights = torch.stack(scores).softmax(0)
                result[n, :, y, x] = weights @ torch.stack(values)
    return result


@pytest.mark.parametrize(('size', 'window'), [((5, 7), 3), ((3, 4), 9), ((1, 1), 5)])
def test_local_attention(size, window):
    query, key, value = double(2, 3, *size), double(2, 3, *size), double(2, 4, *size)
    expected = slow_local_attention(query, key, value, window)
    torch.testing.assert_close(local_attention(query, key, value, window=window), expected)


def test_local_attention_gradients():
    maps = [double(1, 2, 3, 4, requires_grad=True) for _ in range(3)]
    assert torch.autograd.gradcheck(lambda *m: local_attention(*m, window=3), maps)


def test_the_published_window_is_nine():
    maps = [double(1, 2, 6, 6) for _ in range(3)]
    assert torch.equal(local_attention(*maps), local_attention(*maps, window=9))


def test_regions_are_weighted_means_and_classes_do_not_compete():
    logits, feature = torch.randn(2, 5, 3, 4), torch.randn(2, 6, 3, 4)
    weights = region_weights(logits)
    torch.testing.assert_close(weights.sum(-1), torch.ones(2, 5))
    torch.testing.assert_close(weights[:, :2], region_weights(logits[:, :2]))
    pooled = pool_regions(weights, feature)
    assert pooled.shape == (2, 6, 5, 1)
    expected = (F.softmax(logits[1, 3].flatten(), 0) * feature[1, 4].flatten()).sum()
    torch.testing.assert_close(pooled[1, 4, 3, 0], expected)


def test_floating_point_operations_can_be_counted_without_memory():
    maps = torch.empty(1, 4, 6, 6, device='meta')
    tokens = maps.flatten(2).transpose(1, 2)
    assert linear_attention(tokens, tokens, tokens).shape == (1, 36, 4)
    assert pool_regions(region_weights(maps), maps).shape == (1, 4, 4, 1)
