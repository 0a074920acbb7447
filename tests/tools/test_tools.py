"""Every tool: one clear line and a non-zero status for bad input, and the right thing for good."""

import argparse
import importlib.util
import json
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
import torch
from toy import toy_batch
from toy_run import ROOT, run, same, tool, toy_cfg, write_config

from mtl3d.apis import command_line
from mtl3d.apis.checkpoint import sha256
from mtl3d.apis.configuration import load_config, prepare, use_amp
from mtl3d.apis.export import export, publish
from mtl3d.apis.inference import init_model
from mtl3d.apis.test import EVALUATED
from mtl3d.apis.test import test as evaluate
from mtl3d.apis.train import train
from mtl3d.models.multi_task_model import OUTPUTS
from mtl3d.utils.compat import load_checkpoint_file
from tools import compare


def main_of(name):
    """The main function of a tool, to be called in this process."""
    spec = importlib.util.spec_from_file_location(f'tool_{name}', ROOT / 'tools' / f'{name}.py')
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.main


def call(name, *arguments):
    """Run a tool as the command line does, in this process."""
    return command_line.run_tool(main_of(name), [str(argument) for argument in arguments])


@pytest.fixture(scope='module')
def trained(tmp_path_factory):
    """Config and checkpoint of a finished toy run."""
    folder = tmp_path_factory.mktemp('trained')
    config = write_config(folder, {'max_iters': 2})
    train(prepare(load_config(config)), validate=False)
    return config, folder / 'work' / 'iter_2.pth'


def failure(capsys, name, *arguments):
    assert call(name, *arguments) == 1
    (line,) = [x for x in capsys.readouterr().err.splitlines() if 'error:' in x]
    return line


def test_bad_input_is_one_line(tmp_path, trained, capsys, monkeypatch):
    monkeypatch.setattr(
        'mtl3d.apis.train.build_runner', lambda cfg: pytest.fail('the long work has begun')
    )
    config, checkpoint = trained
    assert 'nowhere.py does not exist' in failure(capsys, 'train', tmp_path / 'nowhere.py')
    (tmp_path / 'broken.py').write_text('model = dict(\n')
    assert 'error' in failure(capsys, 'train', tmp_path / 'broken.py')
    line = failure(capsys, 'train', config, '--cfg-options', 'model.decoder.chanels=3')
    assert 'model.decoder: ToyDecoder' in line and "'chanels'" in line
    line = failure(capsys, 'train', config, '--cfg-options', 'trian_cfg.max_iters=3')
    assert "'train_cfg'" in line
    line = failure(capsys, 'train', config, '--resume', '--work-dir', tmp_path / 'empty')
    assert 'Nothing to resume' in line and 'empty' in line
    line = failure(capsys, 'train', config, '--resume', tmp_path / 'no.pth')
    assert 'no.pth does not exist' in line
    monkeypatch.delenv('RANK', raising=False)
    assert 'dist_train.sh' in failure(capsys, 'train', config, '--launcher', 'pytorch')
    line = failure(capsys, 'train', config, '--cfg-options', 'max_iters')
    assert '--cfg-options max_iters: expected KEY=VALUE' in line
    line = failure(capsys, 'train', config, '--cfg-options', 'val_evaluator.metrics.9.type=x')
    assert 'cannot set val_evaluator.metrics.9.type: Index 9' in line
    line = failure(capsys, 'train', config, '--launcher', 'slurm')
    assert 'needs GPUs' in line or torch.cuda.is_available()
    assert 'no.pth does not exist' in failure(capsys, 'test', config, tmp_path / 'no.pth')
    options = ['--cfg-options', 'model.regularizer=None']
    line = failure(capsys, 'test', config, checkpoint, '--outputs', 'all', *options)
    assert 'needs a regularizer' in line
    assert 'must be .pth or .onnx' in failure(capsys, 'export', config, checkpoint, 'model.tar')
    assert 'no.pth does not exist' in failure(capsys, 'publish_model', tmp_path / 'no.pth', 'a.pth')
    line = failure(capsys, 'infer', config, checkpoint, checkpoint, tmp_path, '--device', 'gpu')
    assert "device='gpu' cannot be used" in line
    assert "'desing'" in failure(capsys, 'print_config', config, '--cfg-options', 'desing=1')


def test_a_result_that_cannot_be_written_is_refused_before_the_work(trained, tmp_path, capsys):
    (tmp_path / 'file').write_text('')
    for name in ('test', 'evaluate_predictions', 'export'):
        out = tmp_path / 'file' / 'x.pth'
        arguments = [out] if name == 'export' else ['--out', out]
        assert f'cannot make the folder {out.parent}' in failure(capsys, name, *trained, *arguments)
    assert command_line.output_file(str(tmp_path / 'new' / 'x.json')).parent.is_dir()
    with pytest.raises(IsADirectoryError, match='cannot write .*: it is a folder'):
        command_line.output_file(str(tmp_path))


@pytest.mark.parametrize('content', [b'hello world', b'', b'\x80\x02.', None])
def test_a_damaged_checkpoint_is_named_before_the_long_work(
    trained, tmp_path, capsys, monkeypatch, content
):
    for module in ('train', 'test'):
        monkeypatch.setattr(
            f'mtl3d.apis.{module}.build_runner', lambda cfg: pytest.fail('the long work has begun')
        )
    config, checkpoint = trained
    bad = tmp_path / 'bad.pth'
    bad.write_bytes(checkpoint.read_bytes()[:-1000] if content is None else content)
    lines = [
        failure(capsys, 'train', config, '--resume', bad),
        failure(capsys, 'train', config, '--cfg-options', f'load_from={bad}'),
        failure(capsys, 'test', config, bad),
        failure(capsys, 'infer', config, bad, bad, tmp_path / 'out'),
        failure(capsys, 'export', config, bad, tmp_path / 'out.pth'),
        failure(capsys, 'publish_model', bad, tmp_path / 'out.pth'),
    ]
    assert all(f'Checkpoint {bad} ' in line for line in lines), lines
    assert not list(tmp_path.glob('out*.pth'))


@pytest.mark.parametrize(
    'command',
    [
        'train.py nowhere',
        'train.py README.md --resume nowhere',
        'test.py README.md nowhere',
        'infer.py README.md README.md nowhere out',
        'export.py README.md nowhere out.pth',
        'publish_model.py nowhere out.pth',
        'print_config.py nowhere',
        'plot_curves.py nowhere',
        'compare.py nowhere',
        'constant_baseline.py nowhere',
        'evaluate_predictions.py README.md nowhere',
        'browse_dataset.py nowhere --out-dir out',
        'visualize_regularizer.py README.md README.md nowhere',
    ],
)
def test_a_wrong_path_is_reported_without_importing_torch(command):
    name, *arguments = command.split()
    code = (
        "import runpy, sys; sys.modules['torch'] = None; sys.argv = sys.argv[1:];"
        "runpy.run_path(sys.argv[0], run_name='__main__')"
    )
    result = run(sys.executable, '-c', code, ROOT / 'tools' / name, *arguments)
    assert result.returncode == 1
    assert result.stderr == f'{name}: error: nowhere does not exist\n'


def test_the_nearest_file_is_suggested(tmp_path):
    (tmp_path / 'invpt_vitl_nyud.py').touch()
    with pytest.raises(FileNotFoundError, match=r'Did you mean .*/invpt_vitl_nyud\.py\?'):
        command_line.input_file(str(tmp_path / 'invpt_vitl_nuyd.py'))
    with pytest.raises(IsADirectoryError, match='is a folder'):
        command_line.input_file(str(tmp_path))


def test_the_choices_of_outputs_are_those_of_the_model():
    assert command_line.OUTPUTS == OUTPUTS == tuple(EVALUATED)


@pytest.mark.skipif(torch.cuda.is_available(), reason='mixed precision is refused without a GPU')
@pytest.mark.parametrize('precision', ['bf16', 'fp16'])
def test_mixed_precision_is_refused_on_a_cpu(trained, capsys, precision):
    assert 'needs a GPU' in failure(capsys, 'train', trained[0], '--amp', precision)


def test_mixed_precision_settings(trained, monkeypatch):
    monkeypatch.setattr(torch.cuda, 'is_available', lambda: True)
    cfg = load_config(trained[0])
    use_amp(cfg, 'bf16')
    assert cfg.optim_wrapper.type == 'AmpOptimWrapper' and cfg.optim_wrapper.dtype == 'bfloat16'
    use_amp(cfg, 'fp16')
    assert cfg.optim_wrapper.loss_scale == 'dynamic' and cfg.optim_wrapper.dtype == 'float16'
    cfg.optim_wrapper.type = 'Special'
    with pytest.raises(ValueError, match="'Special'"):
        use_amp(cfg, 'bf16')


def test_missing_data_is_named_before_the_model_is_built(tmp_path, trained):
    cfg = prepare(load_config(trained[0]), work_dir=tmp_path)
    cfg.train_dataloader.dataset.data_root = str(tmp_path / 'no_data')
    cfg.model.backbone.type = 'NotEvenLookedUp'
    with pytest.raises(FileNotFoundError, match=r'train_dataloader\.dataset\.data_root=.*no_data'):
        train(cfg)


def test_a_checkpoint_of_another_architecture_is_refused(tmp_path, trained):
    config, checkpoint = trained
    options = {'model.tasks.semseg.num_classes': 7}
    message = r'of another architecture.*of another shape.*\(5, 8, 1, 1\) instead of \(7, 8, 1, 1\)'
    with pytest.raises(ValueError, match=message):
        train(prepare(load_config(config, options), work_dir=tmp_path), resume=checkpoint)
    with pytest.raises(ValueError, match=message):
        evaluate(prepare(load_config(config, options), work_dir=tmp_path), checkpoint)
    weights = load_checkpoint_file(checkpoint)['state_dict']
    weights['extra'] = weights.pop('backbone.conv.bias')
    torch.save(weights, tmp_path / 'other.pth')
    with pytest.raises(ValueError, match=r'1 missing \(backbone.conv.bias\).*unexpected \(extra\)'):
        evaluate(prepare(load_config(config), work_dir=tmp_path), tmp_path / 'other.pth')
    with pytest.raises(ValueError, match=r'no training state.*load_from='):
        train(prepare(load_config(config), work_dir=tmp_path), resume=tmp_path / 'other.pth')


def test_accumulation_and_checkpoint_interval_must_agree(tmp_path):
    cfg = toy_cfg(tmp_path, {'optim_wrapper.accumulative_counts': 3})
    with pytest.raises(ValueError, match='interval=2 is not a multiple'):
        train(cfg)


def test_outputs_and_report(tmp_path, trained):
    config, checkpoint = trained
    report = tmp_path / 'new' / 'report.json'
    arguments = [config, checkpoint, '--outputs', 'all', '--out', report, '--work-dir', tmp_path]
    assert call('test', *arguments, '--show-dir', tmp_path / 'panels') == 0
    content = json.loads(report.read_text())
    metrics = content['metrics']
    for suffix in ('', '.regularizer', '.average'):
        assert f'semseg{suffix}/mIoU' in metrics
        assert f'multi_task{suffix}/delta_m' in metrics
    assert metrics['depth/rmse'] != metrics['depth.regularizer/rmse']
    assert content['checkpoint_sha256'] == sha256(checkpoint)
    assert 'ToyBackbone' in content['config'] and content['versions']['torch'] == torch.__version__
    assert len(list((tmp_path / 'panels').rglob('*.png'))) == 5

    heads = {row.key: row.value for row in evaluate(toy_cfg_of(config, tmp_path), checkpoint)}
    others = ('.regularizer', '.average')
    assert heads == {
        key: value for key, value in metrics.items() if not any(part in key for part in others)
    }
    assert heads['depth.clean/log_rmse'] != heads['depth/log_rmse']


def toy_cfg_of(config, work_dir):
    return prepare(load_config(config), work_dir=work_dir)


def test_export_and_publish_keep_every_prediction(tmp_path, trained):
    config, checkpoint = trained
    exported = export(load_config(config), checkpoint, tmp_path / 'model.pth')
    content = torch.load(exported, weights_only=True)
    assert set(content) == {'meta', 'state_dict'}
    assert not any(name.startswith('regularizer') for name in content['state_dict'])
    batch = toy_batch(0, 1)
    predictions = []
    for path in (checkpoint, exported):
        model = init_model(config, path)
        with torch.no_grad():
            predictions.append(model(model.data_preprocessor(dict(batch))['inputs']))
    assert not same(*predictions)
    rows = [evaluate(toy_cfg_of(config, tmp_path), path) for path in (checkpoint, exported)]
    assert rows[0] == rows[1]

    published = publish(checkpoint, tmp_path / 'toy.pth')
    assert published.name == f'toy-{sha256(published)[:8]}.pth'
    assert set(torch.load(published, weights_only=True)) == {'meta', 'state_dict'}


def test_onnx_needs_its_packages(trained, tmp_path, monkeypatch):
    monkeypatch.setattr('mtl3d.apis.export.find_spec', lambda name: None)
    with pytest.raises(ImportError, match='pip install onnx'):
        export(load_config(trained[0]), trained[1], tmp_path / 'model.onnx')


@pytest.mark.filterwarnings('ignore::FutureWarning')  # torch's exporter uses its own old names
def test_the_onnx_graph_computes_the_model(trained, tmp_path):
    reference = pytest.importorskip('onnx.reference', reason='needs requirements/optional.txt')
    pytest.importorskip('onnxscript')
    with pytest.raises(ValueError, match=r'no model\.data_preprocessor\.size'):
        export(load_config(trained[0]), trained[1], tmp_path / 'model.onnx')
    model = init_model(*trained)
    images = model.data_preprocessor(toy_batch(0))['inputs']
    cfg = load_config(trained[0], {'model.data_preprocessor.size': tuple(images.shape[-2:])})
    exported = export(cfg, trained[1], tmp_path / 'model.onnx')
    graph = reference.ReferenceEvaluator(str(exported))
    with torch.no_grad():
        expected = model(images)
    found = dict(zip(graph.output_names, graph.run(None, {'inputs': images.numpy()}), strict=True))
    for task, logits in expected.items():
        torch.testing.assert_close(torch.from_numpy(found[task]), logits, rtol=1e-4, atol=1e-5)


def test_print_config(trained, capsys):
    assert call('print_config', trained[0], '--cfg-options', 'max_iters=7') == 0
    assert 'max_iters=7' in capsys.readouterr().out.replace(' ', '')
    assert call('print_config', trained[0], '--check') == 0
    assert capsys.readouterr().out.strip().endswith('valid')


def test_work_dir_priority(tmp_path, trained):
    cfg = load_config(trained[0])
    assert prepare(cfg.copy(), work_dir=tmp_path).work_dir == str(tmp_path)
    assert prepare(cfg.copy()).work_dir == cfg.work_dir
    cfg.pop('work_dir')
    assert prepare(cfg).work_dir == 'work_dirs/toy'


def test_auto_scale_lr_and_no_validate(tmp_path, trained, monkeypatch):
    seen = {}
    monkeypatch.setattr(
        'mtl3d.apis.train.train', lambda cfg, **kwargs: seen.update(cfg=cfg, **kwargs)
    )
    config, checkpoint = map(str, trained)
    arguments = [config, '--auto-scale-lr', '--no-validate', '--resume', checkpoint]
    main_of('train')([*arguments, '--local-rank', '0'])
    assert seen['cfg'].auto_scale_lr == dict(enable=True, base_batch_size=6)
    assert seen['validate'] is False and seen['resume'] == trained[1]


def test_a_worker_s_error_is_reduced_to_its_last_line():
    packed = ValueError('Caught ValueError in worker 0.\nTraceback\n  File x\nValueError: bad.png')
    assert command_line.one_line(packed) == 'bad.png'
    packed = KeyError('Caught KeyError in worker 0.\nzlib.error: img_path: bad.png')
    assert command_line.one_line(packed) == 'img_path: bad.png'
    assert command_line.one_line(KeyError('a key')) == 'a key'
    assert command_line.one_line(ValueError('two\n lines')) == 'two lines'


@pytest.mark.parametrize(
    'error',
    [
        MemoryError(),
        MemoryError('Unable to allocate 8 GiB for an array'),
        RuntimeError(
            "[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried 9 bytes"
        ),
        torch.OutOfMemoryError('CUDA out of memory. Tried to allocate 2 GiB. GPU 0 has'),
        RuntimeError('DataLoader worker (pid 7) is killed by signal: Killed. '),
        OSError(12, 'Cannot allocate memory'),
    ],
)
def test_too_little_memory_is_one_line_with_a_remedy(error, capsys):
    def main(argv):
        raise error

    assert command_line.run_tool(main, []) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert 'too little memory' in line and 'Lower batch_size' in line


def test_a_worker_that_crashes_is_no_lack_of_memory():
    crash = RuntimeError('DataLoader worker (pid 7) is killed by signal: Segmentation fault. ')
    assert command_line.explain(crash) is None


def test_a_full_disk_is_one_line(capsys):
    def main(argv):
        def write():
            raise OSError(28, 'No space left on device')

        thread = threading.Thread(target=write)  # as TensorBoard does
        thread.start()
        thread.join()
        write()

    assert command_line.run_tool(main, []) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert 'error: No space left on device. Free some space' in line and '--resume' in line


def test_faults_of_ours_keep_their_trace():
    def main(argv):
        argparse.ArgumentParser().parse_args(argv)
        raise RuntimeError('a bug')

    with pytest.raises(RuntimeError, match='a bug'):
        command_line.run_tool(main, [])


def test_ctrl_c_is_one_line_of_the_first_rank(capsys, monkeypatch):
    def main(argv):
        try:
            raise KeyboardInterrupt
        except:  # noqa: E722  as MMEngine's formatter of configs does
            raise SyntaxError('Failed to format: ' + 'model = dict() ' * 100)  # noqa: B904

    assert command_line.run_tool(main, []) == command_line.INTERRUPTED
    assert capsys.readouterr().err.strip().endswith(': interrupted.')
    monkeypatch.setenv('RANK', '1')
    assert command_line.run_tool(main, []) == command_line.INTERRUPTED
    assert capsys.readouterr().err == ''


def test_ctrl_c_says_how_to_continue(tmp_path):
    config = write_config(tmp_path, {'max_iters': 100000, 'default_hooks.logger.interval': 1000})
    process = subprocess.Popen(
        [sys.executable, str(ROOT / 'tools/train.py'), str(config)],
        env={'PYTHONPATH': str(ROOT / 'tests'), 'OMP_NUM_THREADS': '1'},
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
    )
    pointer = tmp_path / 'work' / 'last_checkpoint'
    while not pointer.exists() and process.poll() is None:
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=600)
    assert process.returncode == 130, errors[-2000:]
    last = errors.strip().splitlines()[-1]
    assert last.startswith('train.py: interrupted. Continue from') and '--resume' in last
    assert 'Traceback' not in errors
    assert load_checkpoint_file(tmp_path / 'work' / pointer.read_text())['optimizer']


def test_compare_runs_from_another_directory(tmp_path, monkeypatch):
    def call(work_dir, name, config, *words):  # the tools run in the repository
        assert work_dir.is_absolute() and config.is_absolute()
        if name == 'tools/train.py':
            (work_dir / 'iter_1.pth').touch()
        else:
            (work_dir / 'results.json').write_text('{"metrics": {"depth/rmse": 0.5}}')

    monkeypatch.setattr(compare, 'call', call)
    monkeypatch.chdir(tmp_path)
    (tmp_path / 'toy.py').touch()
    compare.main(['toy.py', '--seeds', '0', '1', '--work-dir', 'runs'])
    report = json.loads((tmp_path / 'runs' / 'comparison.json').read_text())
    values = {'values': {'0': 0.5, '1': 0.5}, 'mean': 0.5, 'std': 0.0}
    assert report['configs'] == {'toy': {'depth/rmse': values}}
    with pytest.raises(ValueError, match='would share a work dir'):
        compare.main(['toy.py', '--seeds', '0', '0', '--work-dir', 'runs'])


def test_tools_run_from_another_directory(tmp_path, trained):
    result = tool('print_config.py', trained[0], '--check')
    assert result.returncode == 0, result.stderr


def test_compare_says_where_a_run_has_no_value():
    runs = [(Path('a.py'), 0), (Path('a.py'), 1)]
    full = {'depth/rmse': 1.0, 'edge/odsF': 50.0}
    report = compare.summarize(runs, [full, {'depth/rmse': 2.0, 'edge/odsF': None}])
    assert report['configs']['a']['depth/rmse']['std'] == pytest.approx(0.5**0.5)
    assert '| a | 1.500 ± 0.707 | no value |' in compare.table(report['configs'])
