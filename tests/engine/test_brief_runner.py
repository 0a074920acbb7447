"""The console is brief, the log file is complete."""

from pathlib import Path

from mmengine.config import Config
from mmengine.fileio import FileClient
from toy import toy_model_cfg

from mtl3d.engine.brief_runner import BriefRunner
from mtl3d.engine.hooks import AtomicCheckpointHook


def test_the_preamble_goes_to_the_file_alone(tmp_path, capfd, monkeypatch):
    monkeypatch.setattr(FileClient, '_instances', {})  # a backend warns when it is made, once
    cfg = Config(
        dict(
            default_scope='mtl3d',
            model=toy_model_cfg(),
            work_dir=str(tmp_path),
            experiment_name=tmp_path.name,
        )
    )
    runner = BriefRunner.from_cfg(cfg)
    AtomicCheckpointHook().before_train(runner)
    runner.logger.info('news of the run')
    console = ''.join(capfd.readouterr())
    (log,) = Path(tmp_path).glob('*/*.log')
    text = log.read_text()
    assert 'news of the run' in console and 'news of the run' in text
    for report in (
        'System environment',
        'Config:',
        'Hooks will be executed',
        'Distributed training is not used',
        '"FileClient" will be deprecated',
        '"HardDiskBackend" is the alias',
    ):
        assert report in text, 'nothing to leave out any more'
        assert report not in console
