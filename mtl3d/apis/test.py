"""Evaluation of a checkpoint: the heads, the regularizer's rendering, or their average."""

import json
import platform
import time
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from mmengine.config import Config
from mmengine.dist import get_world_size, is_main_process

from mtl3d.apis.checkpoint import (
    REGULARIZER,
    check_state_dict,
    drop_regularizer,
    load_weights,
    sha256,
)
from mtl3d.apis.configuration import build_runner, check_data_roots
from mtl3d.engine.atomic_backend import AtomicBackend
from mtl3d.evaluation.multi_task_evaluator import metric_configs, metric_variants
from mtl3d.evaluation.report import Row, collect_rows, results_dict
from mtl3d.utils.modules import unwrapped
from mtl3d.version import __version__

#: What ``--outputs`` asks for -> the sample fields to evaluate.
EVALUATED = {
    'heads': ('pred',),
    'regularizer': ('pred_regularizer',),
    'average': ('pred_average',),
    'all': ('pred', 'pred_regularizer', 'pred_average'),
}
#: On which versions predictions and scores depend.
PACKAGES = ('torch', 'numpy', 'scipy', 'numba', 'mmengine', 'timm', 'opencv-python')
DRAWING_HOOK = 'MultiTaskVisualizationHook'
WRITING_HOOK = 'PredictionWriterHook'


def test(
    cfg: Config, checkpoint: str | Path, *, outputs: str = 'heads', bootstrap: int = 0
) -> list[Row]:
    """Evaluate a checkpoint on the test data.

    Args:
        cfg: A config from :func:`mtl3d.apis.configuration.load_config`, after
            :func:`mtl3d.apis.configuration.prepare`.
        checkpoint: The weights; they must fit the model exactly, except that for ``heads`` a
            regularizer may be absent or left over.
        outputs: ``heads``, ``regularizer``, ``average`` or ``all`` (Table 5 of the paper). The
            metrics of the others are named ``semseg.regularizer/mIoU``, ``semseg.average/mIoU``.
        bootstrap: Replicates over images for 95 % confidence intervals; 0 for none.

    Returns:
        One row per number, see :func:`mtl3d.evaluation.report.collect_rows`.

    Raises:
        FileNotFoundError: No such checkpoint, or no data.
        ValueError: The checkpoint does not fit, or the config has no test data or regularizer.
    """
    state = load_weights(checkpoint)
    select_outputs(cfg, outputs, bootstrap=bootstrap)
    check_data_roots(cfg, ['test_dataloader'])
    cfg.update(load_from=str(checkpoint), resume=False)
    runner = build_runner(cfg)
    model = unwrapped(runner.model)
    check_state_dict(
        model, state, source=checkpoint, ignore=REGULARIZER if outputs == 'heads' else None
    )
    if outputs == 'heads':
        drop_regularizer(model)
    results = runner.test()
    return collect_rows(runner.test_loop.evaluator.metrics, results)


def select_outputs(cfg: Config, outputs: str, *, bootstrap: int = 0) -> None:
    """Make a config predict and evaluate the chosen outputs, also by the clean protocol.

    Args:
        cfg: Its model and test evaluator are changed.
        outputs: A key of :data:`EVALUATED`. With ``heads`` the regularizer is not even built.
        bootstrap: Replicates for confidence intervals; 0 for none.

    Raises:
        ValueError: ``outputs`` is unknown, or the config lacks a regularizer or test metrics.
    """
    if outputs not in EVALUATED:
        raise ValueError(f"outputs='{outputs}': valid are {', '.join(EVALUATED)}")
    if not all(cfg.get(key) for key in ('test_dataloader', 'test_evaluator')):
        raise ValueError(f'{cfg.filename} has no test_dataloader and test_evaluator')
    if outputs != 'heads' and not cfg.model.get('regularizer'):
        raise ValueError(
            f"outputs='{outputs}' needs a regularizer, but {cfg.filename} describes a model "
            'without one'
        )
    cfg.model.outputs = outputs
    if outputs == 'heads':
        cfg.model.regularizer = None
    variants = metric_variants(
        metric_configs(cfg.test_evaluator),
        fields=EVALUATED[outputs],
        protocols=('clean',),
        bootstrap=bootstrap,
    )
    cfg.test_evaluator = dict(type='MultiTaskEvaluator', metrics=variants)


def show_predictions(cfg: Config, folder: str | Path) -> None:
    """Draw a panel of every test image.

    Args:
        cfg: Its visualization hook is told the folder; one is added if there is none.
        folder: Where the panels go.
    """
    hooks = [*cfg.get('default_hooks', {}).values(), *(cfg.get('custom_hooks') or [])]
    for hook in hooks:
        if hook and hook['type'] == DRAWING_HOOK:
            hook['show_dir'] = str(folder)
            return
    added = dict(type=DRAWING_HOOK, show_dir=str(folder))
    cfg.custom_hooks = [*(cfg.get('custom_hooks') or []), added]


def save_predictions(cfg: Config, folder: str | Path) -> None:
    """Write the predictions of every test image in each task's exchange format.

    Args:
        cfg: A writing hook is added.
        folder: Where the files go; ``tools/evaluate_predictions.py`` scores them again.
    """
    added = dict(type=WRITING_HOOK, out_dir=str(folder))
    cfg.custom_hooks = [*(cfg.get('custom_hooks') or []), added]


def write_report(
    path: str | Path,
    *,
    cfg: Config,
    checkpoint: str | Path,
    outputs: str,
    rows: Sequence[Row],
) -> None:
    """Write results with everything that is needed to get them again, as JSON.

    Args:
        path: The file; its folder is made if it is missing.
        cfg: The config that was evaluated.
        checkpoint: The weights that were evaluated.
        outputs: What was evaluated.
        rows: From :func:`test`.
    """
    if not is_main_process():
        return
    report = dict(
        **results_dict(rows),
        outputs=outputs,
        config_file=str(cfg.filename),
        config=cfg.pretty_text,
        checkpoint=str(checkpoint),
        checkpoint_sha256=sha256(checkpoint),
        processes=get_world_size(),
        versions=versions(PACKAGES),
        date=time.strftime('%Y-%m-%dT%H:%M:%S%z'),
    )
    # In one step: tools/compare.py takes a file that is there for a run that is done.
    AtomicBackend().put_text(json.dumps(report, indent=2) + '\n', path)


def versions(packages: Sequence[str]) -> dict[str, str]:
    """Collect the versions of Python, mtl3d and the given packages, as far as installed."""
    found = dict(python=platform.python_version(), mtl3d=__version__)
    for package in packages:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found
