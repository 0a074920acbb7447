"""Inference: any image, at its own size, with the checkpoint that was meant."""

from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.config import Config
from PIL import Image
from toy import ToyBackbone, toy_model_cfg

from mtl3d.apis import MultiTaskInferencer, inference_model, init_model
from mtl3d.apis.command_line import run_tool
from mtl3d.apis.inference import prepare_image, resize_to_fit
from mtl3d.apis.multi_task_inferencer import list_images
from mtl3d.evaluation.predictions import read_predictions
from mtl3d.registry import MODELS
from mtl3d.utils.image_io import read_stored, write_png
from tools import browse_dataset, evaluate_predictions, infer, plot_curves

SIZE = (32, 48)


def toy_config(regularizer=True, **overrides):
    preprocessor = dict(type='MultiTaskDataPreprocessor', size=SIZE)
    return Config(
        dict(model=toy_model_cfg(regularizer, data_preprocessor=preprocessor) | overrides)
    )


def noise(height, width, seed=0):
    rng = np.random.default_rng(seed)
    return rng.integers(0, 256, (height, width, 3)).astype(np.uint8)


@pytest.fixture
def model():
    return init_model(toy_config())


@pytest.mark.parametrize('shape', [(32, 48), (20, 30), (7, 90), (300, 40), (1, 1), (640, 480)])
def test_predictions_have_the_images_own_size(model, shape):
    sample = inference_model(model, noise(*shape))
    assert {task: tuple(field.shape) for task, field in sample.pred.items()} == {
        'semseg': (1, *shape), 'depth': (1, *shape), 'normals': (3, *shape), 'edge': (1, *shape),
    }  # fmt: skip


def test_aspect_ratio_is_kept():
    for height, width in [(100, 40), (40, 100), (7, 5), (64, 96)]:
        resized = resize_to_fit(noise(height, width), SIZE).shape
        assert resized[0] == SIZE[0] or resized[1] == SIZE[1]
        assert resized[0] <= SIZE[0] and resized[1] <= SIZE[1]
        assert (
            abs(resized[0] / resized[1] - height / width) <= 0.5 * (height / width) / resized[1] * 2
        )


def test_an_image_that_nearly_fits_is_predicted_as_by_the_test_loop(model):
    image = noise(30, 44)
    assert resize_to_fit(image, SIZE) is image
    ours = inference_model(model, image).pred
    # What a data set's test pipeline and the test loop would do: pad, predict, cut.
    item = prepare_image(image, None)
    data = dict(inputs=[item['inputs']], data_samples=[item['data_samples']])
    theirs = model.test_step(data)[0].pred
    for task, value in ours.items():
        assert torch.equal(value, theirs.get(task))


def test_a_batch_is_the_same_as_one_by_one(model):
    images = [noise(30, 44, 1), noise(50, 20, 2), noise(9, 9, 3)]
    together = inference_model(model, images)
    for image, sample in zip(images, together, strict=True):
        alone = inference_model(model, image)
        assert torch.allclose(alone.pred.depth, sample.pred.depth, atol=1e-6)
        assert torch.equal(alone.pred.semseg, sample.pred.semseg)
    assert inference_model(model, []) == []


def test_files_and_arrays_give_the_same(model, tmp_path):
    write_png(tmp_path / 'a.png', noise(30, 44))
    from_file = inference_model(model, tmp_path / 'a.png')
    assert torch.equal(from_file.pred.depth, inference_model(model, noise(30, 44)).pred.depth)
    assert from_file.img_id == 'a' and from_file.ori_shape == (30, 44)


def test_grey_pictures_are_read_as_rgb(model, tmp_path):
    Image.fromarray(noise(30, 44)[..., 0]).save(tmp_path / 'grey.jpg')
    assert inference_model(model, tmp_path / 'grey.jpg').pred.depth.shape == (1, 30, 44)


@pytest.mark.parametrize(
    'array',
    [np.zeros((4, 4), np.uint8), np.zeros((4, 4, 3), np.float32), np.zeros((0, 4, 3), np.uint8)],
)
def test_wrong_arrays_are_refused(model, array):
    with pytest.raises(ValueError, match='image: expected'):
        inference_model(model, array)


def test_the_device_and_mode_are_set(model):
    assert not model.training
    assert next(model.parameters()).device.type == 'cpu'


# -- checkpoints ----------------------------------------------------------------------------------


def save(tmp_path, content, name='model.pth'):
    torch.save(content, tmp_path / name)
    return tmp_path / name


def same(model, state):
    own = model.state_dict()
    return own.keys() == state.keys() and all(torch.equal(own[k], v) for k, v in state.items())


def test_bare_and_training_checkpoints_are_read(model, tmp_path):
    torch.manual_seed(7)
    state = init_model(toy_config()).state_dict()
    assert not same(model, state)
    for content in (state, dict(state_dict=state, meta=dict(iter=3), optimizer={})):
        assert same(init_model(toy_config(), save(tmp_path, content)), state)


def test_the_averaged_weights_of_an_ema_checkpoint_are_taken(tmp_path):
    # MMEngine's EMAHook stores the average as state_dict, and the raw weights as ema_state_dict.
    raw = init_model(toy_config()).state_dict()
    average = {
        key: value * 0.5 if value.is_floating_point() else value for key, value in raw.items()
    }
    ema = {'steps': torch.tensor(3), **{f'module.{key}': value for key, value in raw.items()}}
    path = save(tmp_path, dict(state_dict=average, ema_state_dict=ema))
    assert same(init_model(toy_config(), path), average)


def test_only_the_regularizer_may_be_missing_or_left_over(tmp_path):
    full = init_model(toy_config()).state_dict()
    base = {k: v for k, v in full.items() if not k.startswith('regularizer.')}
    without = init_model(toy_config(), save(tmp_path, base))
    assert without.regularizer is None and same(without, base)
    assert same(init_model(toy_config(regularizer=False), save(tmp_path, full)), base)
    key = next(iter(base))
    for wrong in (
        {k: v for k, v in base.items() if k != key},
        {**base, 'decoder.extra': torch.zeros(1)},
        {**base, key: torch.zeros(2, 2)},
    ):
        with pytest.raises(ValueError, match='architecture'):
            init_model(toy_config(), save(tmp_path, wrong))


@MODELS.register_module()
class DownloadingBackbone(ToyBackbone):
    """Would fetch weights from a hub."""

    def __init__(self, *, pretrained: bool = False):
        super().__init__()
        if pretrained:
            raise ConnectionError('no network')


def test_pretrained_weights_are_not_fetched_when_a_checkpoint_replaces_them(tmp_path):
    path = save(tmp_path, init_model(toy_config()).state_dict())
    cfg = toy_config()
    cfg.model.backbone = dict(type='DownloadingBackbone', pretrained=True)
    init_model(cfg, path)
    assert cfg.model.backbone.pretrained is True  # the caller's config is left alone
    with pytest.raises(ConnectionError):
        init_model(cfg)


def test_nothing_is_unpickled(tmp_path):
    path = save(tmp_path, dict(state_dict={}, meta=Path('x')))
    with pytest.raises(ValueError, match='refused'):
        init_model(toy_config(), path)


def test_wrong_files_are_named(tmp_path):
    with pytest.raises(FileNotFoundError, match='absent.py'):
        init_model(tmp_path / 'absent.py')
    with pytest.raises(FileNotFoundError, match='absent.pth'):
        init_model(toy_config(), tmp_path / 'absent.pth')
    with pytest.raises(ValueError, match='no state dict'):
        init_model(toy_config(), save(tmp_path, [1, 2]))
    with pytest.raises(ValueError, match="no 'model'"):
        init_model(Config(dict(x=1)))


def test_classes_come_from_the_configs_test_set():
    cfg = toy_config()
    cfg.test_dataloader = dict(dataset=dict(type='NYUDv2Dataset', data_root='nowhere'))
    meta = init_model(cfg).dataset_meta
    assert len(meta['classes']['semseg']) == len(meta['palette']['semseg']) == 40


# -- the inferencer -------------------------------------------------------------------------------


def test_a_folder_is_predicted_drawn_and_written(tmp_path):
    for index in range(3):
        write_png(tmp_path / 'in' / f'{index}.png', noise(20 + index, 30, index))
    (tmp_path / 'in' / 'notes.txt').write_text('not an image')
    inferencer = MultiTaskInferencer(toy_config(), device='cpu')
    samples = inferencer(
        tmp_path / 'in', batch_size=2, out_dir=tmp_path / 'out', outputs='all', show_progress=False
    )
    assert [s.img_id for s in samples] == ['0', '1', '2']
    assert [tuple(s.pred.depth.shape) for s in samples] == [(1, 20, 30), (1, 21, 30), (1, 22, 30)]
    folders = sorted(f.name for f in (tmp_path / 'out').iterdir())
    assert folders == ['average', 'heads', 'panels', 'regularizer']
    panel = read_stored(tmp_path / 'out' / 'panels' / '2.png')
    assert panel.dtype == np.uint8 and panel.shape[2] == 3
    back = read_predictions(tmp_path / 'out' / 'heads', '2')
    assert torch.equal(back.semseg, samples[2].pred.semseg)
    depth = samples[2].pred.depth.clamp(min=0)
    assert (back.depth - depth).abs().max() <= 0.0005 + 1e-6


def test_arrays_and_files_mix_and_are_named(tmp_path):
    write_png(tmp_path / 'a.png', noise(20, 30))
    inferencer = MultiTaskInferencer(toy_config(), device='cpu')
    samples = inferencer([noise(9, 9), tmp_path / 'a.png'], show_progress=False)
    assert [s.img_id for s in samples] == ['000000', 'a']


def test_wrong_inputs_are_named_before_any_work(tmp_path):
    inferencer = MultiTaskInferencer(toy_config(), device='cpu')
    inferencer.model.predict = None  # must not be reached
    write_png(tmp_path / 'a' / 'x.png', noise(9, 9))
    write_png(tmp_path / 'b' / 'x.png', noise(9, 9))
    (tmp_path / 'empty').mkdir()
    for wrong, error, message in [
        (tmp_path / 'absent.png', FileNotFoundError, 'absent.png'),
        (tmp_path / 'empty', FileNotFoundError, 'no image in'),
        ([tmp_path / 'a', tmp_path / 'b'], ValueError, "both be called 'x'"),
    ]:
        with pytest.raises(error, match=message):
            inferencer(wrong, show_progress=False)
    with pytest.raises(ValueError, match='batch_size=0'):
        inferencer(tmp_path / 'a', batch_size=0)


def test_images_of_a_folder_come_by_name(tmp_path):
    for name in ('b.JPG', 'a.png', 'c.txt'):
        (tmp_path / name).touch()
    assert [path.name for path in list_images(tmp_path)] == ['a.png', 'b.JPG']


@pytest.mark.parametrize(
    ('main', 'arguments', 'named'),
    [
        (infer.main, ['absent.py', 'absent.pth', 'x.png', 'out'], 'absent.py'),
        (evaluate_predictions.main, ['absent.py', 'out'], 'absent.py'),
        (browse_dataset.main, ['absent.py', '--out-dir', 'out'], 'absent.py'),
        (plot_curves.main, ['absent'], 'absent'),
    ],
)
def test_the_tools_say_one_line_on_a_wrong_path(main, arguments, named, tmp_path, capsys):
    assert run_tool(main, arguments) != 0
    lines = capsys.readouterr().err.strip().splitlines()
    assert len(lines) == 1 and named in lines[0]
