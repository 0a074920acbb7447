"""Tasks: shapes, meaning of activate and decode, and losses in the model's path."""

import pytest
import torch
import torch.nn.functional as F
from mmengine.structures import PixelData

from mtl3d.models.loss_terms import labelled_loss
from mtl3d.models.losses import balanced_bce, two_class_logit
from mtl3d.models.tasks import (
    DepthTask,
    EdgeTask,
    HumanPartsTask,
    NormalsTask,
    QuantizedDepthTask,
    QuantizedNormalsTask,
    SaliencyTask,
    SemSegTask,
    Task,
)
from mtl3d.registry import TASKS
from mtl3d.structures import LABEL_SPECS, MultiTaskDataSample

ALL = {
    'semseg': SemSegTask(num_classes=5),
    'human_parts': HumanPartsTask(),
    'depth': DepthTask(),
    'normals': NormalsTask(),
    'edge': EdgeTask(),
    'saliency': SaliencyTask(),
}


def _perfect(name: str) -> tuple[torch.Tensor, torch.Tensor]:
    """Make logits and the label that they predict."""
    if name in ('semseg', 'human_parts'):
        label = torch.randint(0, ALL[name].out_channels, (2, 1, 4, 6))
        return 50 * F.one_hot(label[:, 0], ALL[name].out_channels).movedim(-1, 1).float(), label
    if name == 'depth':
        label = 1 + torch.rand(2, 1, 4, 6)
        return label.clone(), label
    if name == 'normals':
        label = F.normalize(torch.randn(2, 3, 4, 6), dim=1)
        return 4 * label, label
    label = (torch.rand(2, 1, 4, 6) > 0.5).float()
    logits = 60 * (label - 0.5)
    return (torch.cat([-logits, logits], 1) if name == 'saliency' else logits), label


@pytest.mark.parametrize('name', ALL)
def test_perfect_logits_decode_to_the_label_and_cost_nothing(name: str) -> None:
    task = ALL[name]
    logits, label = _perfect(name)
    assert logits.shape[1] == task.out_channels
    decoded = task.decode(task.activate(logits))
    assert decoded.dtype == LABEL_SPECS[name].dtype
    torch.testing.assert_close(decoded, label, atol=1e-6, rtol=1e-5)
    assert task.loss(logits, label).item() == pytest.approx(0, abs=1e-5)


@pytest.mark.parametrize('name', ALL)
def test_registered_under_its_own_name(name: str) -> None:
    built = TASKS.build(dict(type=type(ALL[name]).__name__, loss_weight=3.0))
    assert type(built) is type(ALL[name]) and built.loss_weight == 3.0


@pytest.mark.parametrize('name', ALL)
def test_loss_resizes_the_prediction_to_the_label(name: str) -> None:
    task = ALL[name]
    logits, label = _perfect(name)
    small = torch.randn_like(logits[..., :2, :3])
    resized = F.interpolate(small, size=label.shape[-2:], mode='bilinear', align_corners=False)
    torch.testing.assert_close(task.loss(small, label), task.pixel_loss(resized, label))


@pytest.mark.parametrize('name', ALL)
def test_no_label_at_all_is_a_zero_with_a_graph(name: str) -> None:
    spec = LABEL_SPECS[name]
    logits = torch.randn(2, ALL[name].out_channels, 3, 4, requires_grad=True)
    label = torch.full((2, spec.channels, 3, 4), spec.invalid_value, dtype=spec.dtype)
    loss = ALL[name].loss(logits, label)
    loss.backward()
    assert loss == 0 and (logits.grad == 0).all()
    assert (
        labelled_loss(ALL[name].loss, name, logits, [MultiTaskDataSample(gt=PixelData())] * 2) == 0
    )


@pytest.mark.parametrize('name', ALL)
def test_unlabelled_pixels_do_not_count(name: str) -> None:
    spec, task = LABEL_SPECS[name], ALL[name]
    logits, label = _perfect(name)
    logits = torch.randn_like(logits)
    half = label.clone()
    half[..., 3:] = spec.invalid_value
    torch.testing.assert_close(task.loss(logits, half), task.loss(logits[..., :3], label[..., :3]))


@pytest.mark.parametrize('name', ['depth', 'semseg', 'human_parts', 'edge', 'saliency'])
def test_loss_gradient_is_right(name: str) -> None:
    """Numeric derivative along a random direction; float32 bounds the accuracy."""
    logits, label = _perfect(name)
    logits = torch.randn_like(logits).requires_grad_()
    direction = torch.randn_like(logits)
    ALL[name].loss(logits, label).backward()
    step = 1e-2
    with torch.no_grad():
        up = ALL[name].loss(logits + step * direction, label).double()
        down = ALL[name].loss(logits - step * direction, label).double()
    slope = (logits.grad * direction).sum().item()
    assert slope == pytest.approx(((up - down) / (2 * step)).item(), rel=2e-2, abs=1e-3)


def test_depth_is_never_negative() -> None:
    task = DepthTask()
    assert task.decode(task.activate(torch.full((1, 1, 2, 2), -3.0))).max() == 0


def test_mean_of_two_normals_is_a_unit_vector() -> None:
    task = NormalsTask()
    first, second = torch.randn(2, 1, 3, 4, 5).unbind()
    torch.testing.assert_close(task.activate(first).norm(dim=1), torch.ones(1, 4, 5))
    mean = (task.activate(first) + task.activate(second)) / 2
    torch.testing.assert_close(task.decode(mean).norm(dim=1), torch.ones(1, 4, 5))


def test_activation_of_a_zero_normal_has_a_bounded_gradient() -> None:
    logits = torch.zeros(1, 3, 1, 1, requires_grad=True)
    NormalsTask().activate(logits).sum().backward()
    assert logits.grad.abs().max() <= 1e6


def test_normals_reductions() -> None:
    logits, label = _perfect('normals')
    logits = torch.randn_like(logits)
    pixel = NormalsTask().loss(logits, label)
    torch.testing.assert_close(NormalsTask(reduction='element').loss(logits, label), pixel / 3)


@pytest.mark.parametrize('name', ALL)
def test_activation_is_in_float32(name: str) -> None:
    logits = torch.randn(1, ALL[name].out_channels, 2, 2).half()
    activated = ALL[name].activate(logits)
    assert activated.dtype == torch.float32
    torch.testing.assert_close(activated, ALL[name].activate(logits.float()))


@pytest.mark.parametrize(
    'task',
    [ALL['semseg'], ALL['human_parts'], QuantizedDepthTask(), QuantizedNormalsTask()],
    ids=lambda task: type(task).__name__,
)
def test_classes_are_activated_to_probabilities(task: Task) -> None:
    logits = torch.randn(2, task.out_channels, 3, 4)
    odds = logits.exp()
    torch.testing.assert_close(task.activate(logits), odds / odds.sum(1, keepdim=True))


def test_a_normal_along_an_axis_is_a_label() -> None:
    up = torch.tensor([0.0, 0.0, 1.0]).view(1, 3, 1, 1)
    assert NormalsTask().loss(-3 * up, up) == 2


@pytest.mark.parametrize('cls', [SemSegTask, HumanPartsTask])
def test_the_number_of_classes_is_that_of_the_channels(cls: type[SemSegTask]) -> None:
    assert cls(num_classes=4).out_channels == 4


def test_saliency_channels() -> None:
    two, one = SaliencyTask(num_channels=2), SaliencyTask(num_channels=1)
    logits = torch.randn(1, 2, 4, 4)
    label = (torch.rand(1, 1, 4, 4) > 0.7).float()
    odds = two_class_logit(logits)
    torch.testing.assert_close(two.activate(logits), logits.softmax(1)[:, 1:])
    torch.testing.assert_close(two.activate(logits), one.activate(odds))
    torch.testing.assert_close(two.loss(logits, label), one.loss(odds, label))


def test_edge_weight_reaches_the_loss() -> None:
    logits, label = torch.randn(1, 1, 4, 4), (torch.rand(1, 1, 4, 4) > 0.7).float()
    loss = EdgeTask(positive_weight=0.8).loss(logits, label)
    torch.testing.assert_close(loss, balanced_bce(logits, label, positive_weight=0.8))


@pytest.mark.parametrize(
    ('cfg', 'message'),
    [
        (dict(type='SemSegTask', num_classes=0), 'num_classes=0'),
        (dict(type='SaliencyTask', num_channels=3), 'num_channels=3'),
        (dict(type='EdgeTask', positive_weight=1.5), 'positive_weight=1.5'),
        (dict(type='NormalsTask', reduction='sum'), "reduction='sum'"),
    ],
)
def test_bad_settings_are_named(cfg: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        TASKS.build(cfg)
