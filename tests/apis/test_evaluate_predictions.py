"""A folder of predictions gives the scores of the model that wrote it."""

import pytest
import torch
from mmengine.config import Config
from mmengine.dataset import BaseDataset
from mmengine.runner import Runner
from toy import toy_model_cfg, toy_sample

from mtl3d.apis.evaluate_predictions import evaluate_predictions
from mtl3d.evaluation.predictions import prediction_files
from mtl3d.registry import DATASETS


@DATASETS.register_module()
class ListedToyDataset(BaseDataset):
    """Six toy samples; every other one has no depth label."""

    def load_data_list(self):
        return [dict(img_id=str(index), index=index) for index in range(6)]

    def prepare_data(self, index):
        tasks = ('semseg', 'normals', 'edge') + (('depth',) if index % 2 else ())
        return toy_sample(index, tasks=tasks)


EDGE_METRIC = dict(type='EdgeMetric', dataset='nyud', matcher='max')
METRICS_CFG = [
    dict(type='SemSegMetric', num_classes=5),
    dict(type='DepthMetric'),
    dict(type='NormalsMetric'),
    EDGE_METRIC,
]


@pytest.fixture
def config(tmp_path):
    return Config(
        dict(
            default_scope='mtl3d',
            model=toy_model_cfg(),
            work_dir=str(tmp_path / 'work'),
            test_dataloader=dict(
                batch_size=4,
                num_workers=0,
                dataset=dict(type='ListedToyDataset'),
                sampler=dict(type='DefaultSampler', shuffle=False),
                collate_fn=dict(type='pseudo_collate'),
            ),
            test_cfg=dict(),
            test_evaluator=METRICS_CFG,
            custom_hooks=[dict(type='PredictionWriterHook', out_dir=str(tmp_path / 'out'))],
            log_level='ERROR',
            experiment_name=tmp_path.name,
        )
    )


def test_scores_are_those_of_the_test_loop(config, tmp_path):
    config.model.outputs = 'all'
    config.custom_hooks[0].storage = 'npy'
    expected = Runner.from_cfg(config).test()
    for name in ('heads', 'regularizer', 'average'):
        files = prediction_files(tmp_path / 'out' / name)
        assert set(files) == {'semseg', 'depth', 'normals', 'edge'}
        assert files['depth'] == set('012345')
    rows = evaluate_predictions(config, tmp_path / 'out' / 'heads', show_progress=False)
    scores = {row.key: row.value for row in rows}
    assert {key: scores[key] for key in expected} == expected  # to the last digit
    assert {row.task: row.num_images for row in rows} == dict(semseg=6, depth=3, normals=6, edge=6)
    other = evaluate_predictions(config, tmp_path / 'out' / 'average', show_progress=False)
    assert {row.key: row.value for row in other} != scores


def test_both_protocols_and_intervals_are_reported(config, tmp_path):
    config.test_evaluator[0].num_classes = 6  # one class is absent, which the protocols treat apart
    Runner.from_cfg(config).test()
    folder = tmp_path / 'out' / 'heads'
    rows = evaluate_predictions(config, folder, bootstrap=20, show_progress=False)
    by_key = {row.key: row for row in rows}
    low, high = by_key['depth/rmse'].interval
    assert low < by_key['depth/rmse'].value < high
    assert by_key['semseg.clean/mIoU'].protocol == 'clean'


def test_pictures_give_the_scores_of_the_protocols_that_round(config, tmp_path):
    config.test_evaluator = [
        dict(type='SemSegMetric', num_classes=5),
        dict(type='NormalsMetric', protocol='survey'),
        EDGE_METRIC,
    ]
    expected = Runner.from_cfg(config).test()
    rows = evaluate_predictions(config, tmp_path / 'out' / 'heads', show_progress=False)
    scores = {row.key: row.value for row in rows}
    assert {key: scores[key] for key in expected} == expected


def test_missing_and_superfluous_images_are_counted_and_named(config, tmp_path):
    Runner.from_cfg(config).test()
    folder = tmp_path / 'out' / 'heads'
    (folder / 'edge' / '9.png').write_bytes((folder / 'edge' / '1.png').read_bytes())
    with pytest.raises(ValueError, match=r"edge: 1 of 6 images are not in the data set.*'9'"):
        evaluate_predictions(config, folder, show_progress=False)
    (folder / 'edge' / '9.png').unlink()
    (folder / 'semseg' / '4.png').unlink()
    with pytest.raises(ValueError, match=r"semseg: 1 of 6 images are missing.*'4'"):
        evaluate_predictions(config, folder, show_progress=False)


def test_wrong_folders_are_named(config, tmp_path):
    with pytest.raises(FileNotFoundError, match='absent'):
        evaluate_predictions(config, tmp_path / 'absent')
    (tmp_path / 'empty').mkdir()
    with pytest.raises(FileNotFoundError, match='empty has no folder of a task'):
        evaluate_predictions(config, tmp_path / 'empty')
    config.test_evaluator = None
    with pytest.raises(ValueError, match='test_evaluator'):
        evaluate_predictions(config, tmp_path)


def test_a_task_without_predictions_is_not_scored(config, tmp_path):
    single_task = dict(semseg=10.0, depth=1.0)
    config.test_evaluator = dict(
        type='MultiTaskEvaluator',
        metrics=[*METRICS_CFG, dict(type='MultiTaskDelta', single_task=single_task)],
    )
    Runner.from_cfg(config).test()
    folder = tmp_path / 'out' / 'heads'
    for file in (folder / 'depth').iterdir():
        file.unlink()
    scores = {
        row.key: row.value for row in evaluate_predictions(config, folder, show_progress=False)
    }
    tasks = {key.split('/')[0].split('.')[0] for key in scores}
    assert tasks == {'semseg', 'normals', 'edge'}  # and no multi_task, which needs the depth
    assert torch.isfinite(torch.tensor(list(scores.values()))).all()
