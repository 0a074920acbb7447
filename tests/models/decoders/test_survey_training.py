"""A training step by the survey's recipes: losses, gradients and running statistics."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from mmengine.structures import PixelData
from survey_reference import NYUD, Maps, Survey, up
from torch import Tensor

from mtl3d.apis.configuration import load_config
from mtl3d.models.converters.survey import from_official
from mtl3d.models.decoders import DecoderOutput
from mtl3d.registry import MODELS
from mtl3d.structures import MultiTaskDataSample
from mtl3d.utils.weights import without_pretrained

ROOT = Path(__file__).parents[3]
GOLDEN = np.load(ROOT / 'tests' / 'data' / 'losses_metrics' / 'survey_scheme.npz')
MAIN = dict(semseg=40, depth=1)
#: Decoder of the config -> method of the survey, and its name of our auxiliary predictions.
METHODS = dict(mtinet='mti_net', padnet='pad_net', vanilla='multi_task')
#: The survey's loss weights.
WEIGHTS = dict(semseg=1.0, depth=1.0, normals=10.0, edge=50.0)


def our_model(method: str, **decoder: object) -> torch.nn.Module:
    cfg = load_config(ROOT / 'configs' / method / f'{method}_hrnet18s_nyud.py').model
    cfg = without_pretrained(cfg)
    cfg['decoder'] |= decoder
    return MODELS.build(cfg)


def samples(labels: Maps) -> list[MultiTaskDataSample]:
    """The survey's labels, in which 255 is invalid everywhere, as ours."""
    result = []
    for index in range(len(labels['semseg'])):
        fields = {task: label[index].clone() for task, label in labels.items()}
        for task in ('depth', 'normals'):
            fields[task][fields[task] == 255] = 0
        fields['semseg'] = fields['semseg'].long()
        result.append(MultiTaskDataSample(gt=PixelData(**fields)))
    return result


def golden(prefix: str, tasks: dict[str, int]) -> Maps:
    return {task: torch.from_numpy(GOLDEN[f'{prefix}/{task}']) for task in tasks}


@pytest.mark.parametrize('method', METHODS)
def test_the_sum_of_all_losses_is_the_published_one(method):
    model = our_model(method)
    deep = {f'scale_{s}': golden(f'scheme/pred/deep_supervision/scale_{s}', NYUD) for s in range(4)}
    auxiliary = dict(mtinet=deep, padnet=dict(initial=deep['scale_0']), vanilla={})[method]
    output = DecoderOutput(golden('scheme/pred', MAIN), auxiliary)
    model.extract_feat = lambda inputs: ()
    model.decoder.forward = lambda features: output
    losses = model.loss(torch.empty(0), samples(golden('scheme/gt', NYUD)))
    terms = {
        f'decoder.loss_{task}': (task, f'scheme/{METHODS[method]}/{task}') for task in MAIN
    } | {
        f'decoder.{group}.loss_{task}': (
            task,
            f'scheme/{METHODS[method]}/{"deepsup" if method == "padnet" else group}_{task}',
        )
        for group in auxiliary
        for task in NYUD
    }
    assert losses.keys() == terms.keys()
    for name, (task, key) in terms.items():
        assert losses[name].item() == pytest.approx(WEIGHTS[task] * GOLDEN[key].item(), rel=1e-5)
    total, _ = model.parse_losses(losses)
    assert json.loads(str(GOLDEN['scheme/loss_weights'])) == WEIGHTS
    assert total.item() == pytest.approx(GOLDEN[f'scheme/{METHODS[method]}/total'].item(), rel=1e-5)


def random_labels() -> Maps:
    """Labels of two images of 64 x 96 in the survey's form, each partly invalid."""
    labels = dict(
        semseg=torch.randint(0, 40, (2, 1, 64, 96)).float(),
        normals=F.normalize(torch.randn(2, 3, 64, 96), dim=1),
        edge=(torch.rand(2, 1, 64, 96) < 0.2).float(),
        depth=0.5 + 5 * torch.rand(2, 1, 64, 96),
    )
    for task in ('semseg', 'normals', 'depth'):
        labels[task][..., 20:40, 30:60] = 255
    return labels


def survey_loss(predictions: Maps, labels: Maps) -> Tensor:
    """The survey's weighted losses, from their description."""
    total = torch.zeros(())
    for task, prediction in predictions.items():
        label = labels[task]
        x, valid = up(prediction, label), label != 255
        if task == 'semseg':
            loss = F.cross_entropy(x, label[:, 0].long(), ignore_index=255)
        elif task == 'edge':
            loss = (0.95 * label * F.softplus(-x) + 0.05 * (1 - label) * F.softplus(x)).mean()
        else:
            if task == 'normals':
                x = x / (x.norm(dim=1, keepdim=True) + 1e-12)
            loss = (x - label)[valid].abs().mean()
        total = total + WEIGHTS[task] * loss
    return total


@pytest.mark.parametrize('method', ['mtinet', 'padnet'])
def test_a_training_step(method):
    survey = Survey(training=True)
    image = torch.randn(2, 3, 64, 96)
    labels = random_labels()
    run = getattr(survey, METHODS[method])
    final, auxiliary = run(image, 'hrnet_w18', MAIN, NYUD)
    expected = sum(survey_loss(maps, labels) for maps in (final, *auxiliary.values()))
    expected.backward()
    gradients, _ = from_official({k: v.grad for k, v in survey.weights.items() if v.requires_grad})
    after, _ = from_official({k: v.detach() for k, v in survey.weights.items()})

    model = our_model(method, main_tasks=list(MAIN)).train()
    fresh, _ = from_official({k: survey.make(k, v.shape) for k, v in survey.weights.items()})
    model.load_state_dict(fresh)
    total, _ = model.parse_losses(model.loss(image, samples(labels)))
    assert total.item() == pytest.approx(expected.item(), rel=1e-5)
    total.backward()
    for name, parameter in model.named_parameters():
        # The bias in front of a BatchNorm has no gradient but the rounding errors of one.
        floor = 1e-6 if name.endswith('fuse.conv.bias') else 0
        error = (parameter.grad - gradients[name]).norm()
        assert error <= 1e-3 * gradients[name].norm() + floor, name
    for name, value in model.state_dict().items():
        torch.testing.assert_close(value, after[name], rtol=1e-4, atol=1e-6, msg=name)
