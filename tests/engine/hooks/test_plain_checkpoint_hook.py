"""Checkpoints hold tensors and plain values only, and the history survives the round trip."""

import io

import numpy as np
import pytest
import torch
from mmengine.logging import HistoryBuffer

from mtl3d.engine.hooks import PlainCheckpointHook
from mtl3d.engine.hooks.plain_checkpoint_hook import to_plain


def test_history_survives_a_load_that_refuses_pickles():
    hook = PlainCheckpointHook()
    live = HistoryBuffer([1.5, 2.5], [1, 2])
    checkpoint = dict(
        meta=dict(iter=3, dataset_meta=dict(palette=np.zeros((2, 3), np.uint8))),
        message_hub=dict(
            log_scalars={'train/loss': live},
            runtime_info=dict(best_score=np.float64(3.5)),
            resumed_keys={'train/loss': True},
        ),
    )
    hook.before_save_checkpoint(None, checkpoint)
    file = io.BytesIO()
    torch.save(checkpoint, file)
    file.seek(0)
    loaded = torch.load(file, weights_only=True)
    hook.after_load_checkpoint(None, loaded)
    history = loaded['message_hub']['log_scalars']['train/loss']
    assert isinstance(history, HistoryBuffer)
    assert [list(part) for part in history.data] == [[1.5, 2.5], [1, 2]]
    assert loaded['message_hub']['runtime_info'] == dict(best_score=3.5)
    assert loaded['meta']['dataset_meta']['palette'] == [[0, 0, 0], [0, 0, 0]]
    assert list(live.data[0]) == [1.5, 2.5]


def test_weights_without_a_history_are_left_alone():
    checkpoint = dict(weight=torch.zeros(1))
    PlainCheckpointHook().after_load_checkpoint(None, checkpoint)
    assert list(checkpoint) == ['weight']


def test_what_has_no_plain_form_is_refused_when_saving():
    with pytest.raises(TypeError, match='object cannot be saved'):
        to_plain(dict(a=[object()]))
