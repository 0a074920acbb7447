"""Scores of predictions on disk, without the model that made them."""

from pathlib import Path

from mmengine.config import Config
from mmengine.dataset import BaseDataset
from mmengine.logging import print_log
from mmengine.registry import init_default_scope
from rich.progress import track

from mtl3d.apis.configuration import check_data_roots
from mtl3d.evaluation.metrics import MultiTaskDelta
from mtl3d.evaluation.multi_task_evaluator import (
    MultiTaskEvaluator,
    metric_configs,
    metric_variants,
)
from mtl3d.evaluation.predictions import SUFFIXES, prediction_files, read_predictions
from mtl3d.evaluation.report import Row, collect_rows
from mtl3d.registry import DATASETS, METRICS


def evaluate_predictions(
    cfg: Config, folder: str | Path, *, bootstrap: int = 0, show_progress: bool = True
) -> list[Row]:
    """Score the predictions of a folder by the config's test metrics, as far as it has the tasks.

    Args:
        cfg: A config from :func:`mtl3d.apis.configuration.load_config`, with ``test_dataloader``
            and ``test_evaluator``.
        folder: Holds one sub-folder per task, see
            :func:`mtl3d.evaluation.predictions.write_predictions`.
        bootstrap: Replicates over images for 95 % confidence intervals; 0 for none.
        show_progress: Draw a progress bar.

    Returns:
        One row per number, see :func:`mtl3d.evaluation.report.collect_rows`.

    Raises:
        FileNotFoundError: The data set or the folder does not exist, or the folder holds no
            predictions of any task.
        ValueError: The config has no test data, images are missing or superfluous, or a prediction
            has another size than its label.
    """
    if not all(cfg.get(key) for key in ('test_dataloader', 'test_evaluator')):
        raise ValueError(f'{cfg.filename} has no test_dataloader and test_evaluator')
    init_default_scope('mtl3d')
    check_data_roots(cfg, ['test_dataloader'])
    dataset: BaseDataset = DATASETS.build(cfg.test_dataloader.dataset)
    img_ids = [dataset.get_data_info(i)['img_id'] for i in range(len(dataset))]
    predicted = check_complete(folder, img_ids)
    variants = metric_variants(
        metric_configs(cfg.test_evaluator), protocols=('clean',), bootstrap=bootstrap
    )
    metrics = []
    for metric in map(METRICS.build, variants):
        needed = metric.tasks if isinstance(metric, MultiTaskDelta) else {metric.task}
        if needed <= predicted:
            metrics.append(metric)
        else:
            lacking = ', '.join(sorted(needed - predicted))
            print_log(f'{metric.prefix} is not scored: no predictions of {lacking}', 'current')
    evaluator = MultiTaskEvaluator(metrics=metrics)
    evaluator.dataset_meta = dataset.metainfo
    for index in track(range(len(dataset)), 'scoring', disable=not show_progress):
        sample = dataset[index]['data_samples']
        sample.pred = read_predictions(folder, sample.img_id, stored=True)
        evaluator.process(data_samples=[sample], data_batch=None)
    return collect_rows(evaluator.metrics, evaluator.evaluate(len(dataset)))


def check_complete(folder: str | Path, img_ids: list[str]) -> set[str]:
    """Refuse a folder in which a task lacks images, or has images of something else.

    Args:
        folder: Holds one sub-folder per task.
        img_ids: The images of the data set.

    Returns:
        The tasks that have predictions.

    Raises:
        FileNotFoundError: The folder does not exist or holds no predictions.
        ValueError: The images of a task are not those of the data set; the message counts them and
            names one.
    """
    files = prediction_files(folder)
    if not files:
        raise FileNotFoundError(
            f'{folder} has no folder of a task with predictions ({" or ".join(SUFFIXES)}) in it'
        )
    for task, found in files.items():
        for what, ids in (
            ('missing', set(img_ids) - found),
            ('not in the data set', found - set(img_ids)),
        ):
            if ids:
                raise ValueError(
                    f'{Path(folder, task)}: {len(ids)} of {len(img_ids)} images are {what}, for '
                    f"example '{min(ids)}'. Is it another split, or an interrupted run?"
                )
    return set(files)
