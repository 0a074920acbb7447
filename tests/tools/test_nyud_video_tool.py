"""The tool that runs COLMAP on videos: results, failures, resuming, wrong input."""

import importlib.util
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from room_video import room_views, write_video

from mtl3d.apis.command_line import run_tool

TOOL = Path(__file__).parents[2] / 'tools' / 'dataset_converters' / 'nyud_video.py'


@pytest.fixture(scope='module')
def main():
    pytest.importorskip('pycolmap', reason='COLMAP: pip install pycolmap')
    spec = importlib.util.spec_from_file_location('converter_nyud_video', TOOL)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.main


@pytest.fixture(scope='module')
def videos(tmp_path_factory):
    """A room, a scene of grey pictures, and one whose pictures cannot be read."""
    root = tmp_path_factory.mktemp('videos')
    views = room_views(count=3)
    write_video(root, views, 'room_out')
    for scene in ('grey_out', 'broken_out'):
        write_video(root, views, scene)
        for path in (root / 'nyu2_train' / scene).glob('*.jpg'):
            if scene == 'grey_out':
                Image.fromarray(np.full((192, 256, 3), 127, np.uint8)).save(path)
            else:
                path.write_bytes(b'no picture')
    return root


def run(main, *arguments):
    return run_tool(main, [str(argument) for argument in arguments])


def intrinsics():
    return room_views(count=3)[0].camera.intrinsics[[0, 1, 0, 1], [0, 1, 2, 2]].tolist()


def test_good_scenes_have_cameras_and_bad_ones_a_reason(main, videos, tmp_path, capsys):
    out = tmp_path / 'cameras'
    command = (videos, out, '--workers', 1, '--intrinsics', *intrinsics())
    assert run(main, *command) == 0
    text = capsys.readouterr().out
    assert 'grey_out failed: COLMAP found no model of its 3 images' in text
    assert 'broken_out failed: COLMAP found no model of its 3 images' in text
    assert '1 of 3 scenes have cameras' in text
    files = {path.name for path in out.iterdir()}
    assert files == {'room_out.json', 'grey_out.failed', 'broken_out.failed'}
    assert len(json.loads((out / 'room_out.json').read_text())['frames']) == 3

    # The same command does nothing again, and says the same.
    before = {path.name: path.stat().st_mtime_ns for path in out.iterdir()}
    assert run(main, *command) == 0
    assert 'grey_out failed: COLMAP found no model' in capsys.readouterr().out
    assert {path.name: path.stat().st_mtime_ns for path in out.iterdir()} == before


def test_a_failed_scene_is_tried_again_on_request(main, videos, tmp_path, capsys):
    out = tmp_path / 'cameras'
    out.mkdir()
    (out / 'room_out.failed').write_text('the disk was full\n')
    command = (videos, out, '--workers', 1, '--scenes', 'room_out', '--intrinsics', *intrinsics())
    assert run(main, *command) == 0
    assert 'room_out failed: the disk was full' in capsys.readouterr().out
    assert run(main, *command, '--retry') == 0
    assert '1 of 1 scenes have cameras' in capsys.readouterr().out
    assert [path.name for path in out.iterdir()] == ['room_out.json']


def test_existing_models_are_read(main, videos, tmp_path, capsys):
    """A scene without a model is reported, not a reason to stop."""
    (tmp_path / 'models').mkdir()
    out = tmp_path / 'out'
    assert run(main, videos, out, '--models', tmp_path / 'models', '--scenes', 'room_out') == 0
    assert 'has no COLMAP model' in capsys.readouterr().out


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        (('nowhere', 'out'), 'has no folder nyu2_train'),
        (('{videos}', 'out', '--scenes', 'kitchen_out'), "'kitchen_out' is not in"),
        (('{videos}', 'out', '--models', 'nowhere'), "--models 'nowhere' is not a folder"),
        (('{videos}', 'out', '--workers', '0'), 'workers=0'),
        (('{videos}', 'out', '--units-per-metre', '1'), 'units_per_metre must be the number of'),
    ],
)
def test_wrong_arguments_are_named(main, videos, tmp_path, capsys, monkeypatch, arguments, message):
    monkeypatch.chdir(tmp_path)
    assert run(main, *(str(a).format(videos=videos) for a in arguments)) == 1
    assert message in capsys.readouterr().err
    assert not (tmp_path / 'out').exists()
