"""Score a folder of boundary predictions: odsF, oisF and AP, without MATLAB.

PRED_DIR holds one 8-bit PNG per image, floor(255 p), named by image id. GT_DIR holds the label
files of the same ids: NYUD's edge images, or PASCAL-Context's label maps (.mat with LabelMap, or
.png).
"""

import argparse
import json
import os
import sys
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import track
from rich.table import Table

from mtl3d.evaluation import edge_files
from mtl3d.evaluation.functional import edges
from mtl3d.evaluation.functional.bootstrap import bootstrap
from mtl3d.version import __version__

DATASETS = {'nyud': 'nyud', 'pascal': 'pascal_context'}


@dataclass(frozen=True)
class EdgeScores:
    """The scores of a folder and everything that they depend on.

    Attributes:
        scores: odsF, oisF, AP, odsT, odsP, odsR, as fractions.
        intervals: 95 % confidence intervals over images, empty unless asked for.
        settings: Protocol, matcher, max_dist, ground_truth, seed, thresholds.
        num_images: Images scored.
        unlabelled: Images skipped because every pixel of their label is ignored.
        empty: Scored images whose ground truth has no boundary: all that is predicted is wrong.
    """

    scores: dict[str, float]
    intervals: dict[str, tuple[float, float]]
    settings: dict[str, Any]
    num_images: int
    unlabelled: list[str]
    empty: list[str]


def evaluate_folder(
    pred_dir: str | Path,
    gt_dir: str | Path,
    *,
    dataset: str,
    protocol: str = 'seism',
    matcher: str = 'seism',
    max_dist: float | None = None,
    ground_truth: str | None = None,
    image_list: str | Path | None = None,
    seed: int = 0,
    workers: int = 1,
    interpolate: bool = False,
    replicates: int = 0,
    show_progress: bool = False,
) -> EdgeScores:
    """Score a folder of PNG files.

    Args:
        pred_dir: 8-bit PNG files ``floor(255 p)``, named by image id.
        gt_dir: Label files, named by image id.
        dataset: A key of :data:`mtl3d.evaluation.functional.edges.BENCHMARKS`, which sets
            ``max_dist`` and ``ground_truth``.
        protocol: A key of :data:`mtl3d.evaluation.functional.edges.PROTOCOLS`.
        matcher: ``'seism'`` or ``'max'``.
        max_dist: Largest distance of a match relative to the image diagonal.
        ground_truth: From which label the ground truth comes.
        image_list: Text file of the image ids to score, one per line; all files by default.
        seed: Of the ``'seism'`` matcher.
        workers: Threads. They do not change the result.
        interpolate: Search odsF between the thresholds too.
        replicates: Of a bootstrap over images for confidence intervals; 0 for none.
        show_progress: Draw a progress bar.

    Raises:
        ValueError: Files are missing, too many, damaged or not what they should be, or an argument
            is not valid.
        OSError: A folder or the list is missing.
    """
    if dataset not in edges.BENCHMARKS:
        raise ValueError(f'dataset must be one of {tuple(edges.BENCHMARKS)}, got {dataset!r}')
    if workers < 1:
        raise ValueError(f'workers must be at least 1, got {workers}')
    if replicates < 0:
        raise ValueError(f'a number of replicates cannot be negative, got {replicates}')
    max_dist = edges.choose_max_dist(max_dist, dataset=dataset, protocol=protocol)
    ground_truth = ground_truth or edges.BENCHMARKS[dataset].ground_truth
    ids, predictions, labels, unlabelled = _choose_images(
        pred_dir, gt_dir, image_list, maps=ground_truth == 'label_map'
    )

    def score(img_id: str) -> NDArray[np.int64] | None:
        label = edge_files.read_label(labels[img_id])
        if ground_truth != 'label_map' and edge_files.is_unlabelled(label):
            return None
        try:
            return edges.evaluate_image(
                edge_files.read_prediction(predictions[img_id]),
                edges.ground_truth(label, ground_truth),
                max_dist=max_dist,
                protocol=protocol,
                matcher=matcher,
                seed=edges.image_seed(img_id, seed),
            )
        except ValueError as error:
            raise ValueError(f"image '{img_id}': {error}") from error

    with ThreadPoolExecutor(workers) as pool:
        results: Iterable[NDArray[np.int64] | None] = pool.map(score, ids)
        if show_progress:
            results = track(results, 'Boundaries', total=len(ids), console=Console(stderr=True))
        try:
            counts = dict(zip(ids, results, strict=True))
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
    unlabelled += [img_id for img_id, rows in counts.items() if rows is None]
    scored = {img_id: rows for img_id, rows in counts.items() if rows is not None}
    empty = [img_id for img_id, rows in scored.items() if rows[0, 1] == 0]
    if len(empty) == len(scored):
        raise ValueError(
            f'{gt_dir}: no image has a boundary in its ground truth ({len(empty)} are empty, '
            f'{len(unlabelled)} are not annotated). Is this the right folder?'
        )

    thresholds = edges.PROTOCOLS[protocol].thresholds
    summarize = partial(edges.summarize_statistics, thresholds=thresholds, interpolate=interpolate)
    stats = edges.image_statistics(np.stack(list(scored.values())))
    return EdgeScores(
        scores=summarize(stats),
        intervals=bootstrap(stats, summarize, num_replicates=replicates) if replicates else {},
        settings=dict(
            dataset=dataset,
            protocol=protocol,
            matcher=matcher,
            max_dist=max_dist,
            ground_truth=ground_truth,
            image_list=None if image_list is None else str(image_list),
            seed=seed,
            interpolate=interpolate,
            thresholds=list(thresholds),
        ),
        num_images=len(scored),
        unlabelled=sorted(unlabelled),
        empty=empty,
    )


def _choose_images(
    pred_dir: str | Path, gt_dir: str | Path, image_list: str | Path | None, *, maps: bool
) -> tuple[list[str], dict[str, Path], dict[str, Path], list[str]]:
    """Decide which images are scored, and check their sizes by the files' heads.

    So a mistake shows before the long work.

    Args:
        pred_dir: See :func:`evaluate_folder`.
        gt_dir: See :func:`evaluate_folder`.
        image_list: See :func:`evaluate_folder`.
        maps: The labels are label maps, of which 255 is a class as any other.

    Returns:
        The images, the predictions' and the labels' files, and the images that are not annotated.
    """
    predictions = edge_files.list_predictions(pred_dir)
    labels = edge_files.list_labels(gt_dir)
    wanted = None if image_list is None else edge_files.read_image_list(image_list)
    # What is not annotated needs no prediction: the published code bases write none.
    unlabelled = [
        img_id
        for img_id, path in labels.items()
        if not maps
        and img_id not in predictions
        and (wanted is None or img_id in wanted)
        and edge_files.is_unlabelled(edge_files.read_label(path))
    ]
    for img_id in unlabelled:
        del labels[img_id]
    if wanted is not None:
        wanted -= frozenset(unlabelled)
    ids = edge_files.check_same_images(predictions, labels, wanted)
    for img_id in ids:
        prediction, label = predictions[img_id], labels[img_id]
        shapes = edge_files.prediction_shape(prediction), edge_files.label_shape(label)
        if shapes[0] != shapes[1]:
            raise ValueError(
                f"image '{img_id}': the prediction {prediction} is {shapes[0]} but the label "
                f'{label} is {shapes[1]} (H, W)'
            )
    return ids, predictions, labels, unlabelled


def describe(result: EdgeScores) -> str:
    """Say in one line what a reader must know to compare the scores."""
    settings = result.settings
    return (
        f'Boundaries: {result.num_images} images, protocol {settings["protocol"]}, max_dist '
        f'{settings["max_dist"]}, ground truth {settings["ground_truth"]}, matcher '
        f'{settings["matcher"]}'
    )


def scores_table(result: EdgeScores) -> Table:
    """Lay out the scores for the terminal."""
    table = Table()
    table.add_column('metric')
    table.add_column('value', justify='right')
    if result.intervals:
        table.add_column('95 % interval', justify='right')
    for name, value in result.scores.items():
        interval = result.intervals.get(name)
        cells = [f'{interval[0]:.4f} .. {interval[1]:.4f}'] if interval else []
        table.add_row(name, f'{value:.4f}', *cells)
    return table


def main(argv: Sequence[str] | None = None) -> int:
    """Score a folder from the command line.

    Returns:
        The exit status: 0, or 1 after an error that was explained on stderr.
    """
    parser = argparse.ArgumentParser(
        prog='python -m mtl3d.evaluation.edges',
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument('pred_dir', metavar='PRED_DIR')
    parser.add_argument('gt_dir', metavar='GT_DIR')
    parser.add_argument('--dataset', choices=tuple(DATASETS), required=True)
    parser.add_argument('--protocol', choices=tuple(edges.PROTOCOLS), default='seism')
    parser.add_argument(
        '--matcher',
        choices=edges.MATCHERS,
        default='seism',
        help='seism for reported numbers, max for a fast upper bound',
    )
    parser.add_argument('--max-dist', type=float, help='instead of the data set and protocol')
    parser.add_argument(
        '--ground-truth',
        choices=edges.GROUND_TRUTHS,
        help='from which label the ground truth comes, instead of the data set',
    )
    parser.add_argument('--image-list', metavar='TXT', help='score only these ids, one per line')
    parser.add_argument('--seed', type=int, default=0, help='of the seism matcher')
    parser.add_argument('--workers', type=int, default=os.cpu_count() or 1)
    parser.add_argument('--interpolate', action='store_true', help='odsF between thresholds too')
    parser.add_argument(
        '--bootstrap', type=int, default=0, metavar='N', help='confidence intervals, N replicates'
    )
    parser.add_argument('--json', metavar='OUT', help='write scores and settings to this file')
    args = parser.parse_args(argv)
    errors = Console(stderr=True, highlight=False, markup=False, soft_wrap=True)
    try:
        if args.json:
            _check_output(Path(args.json))
        result = evaluate_folder(
            args.pred_dir,
            args.gt_dir,
            dataset=DATASETS[args.dataset],
            protocol=args.protocol,
            matcher=args.matcher,
            max_dist=args.max_dist,
            ground_truth=args.ground_truth,
            image_list=args.image_list,
            seed=args.seed,
            workers=args.workers,
            interpolate=args.interpolate,
            replicates=args.bootstrap,
            show_progress=True,
        )
        if args.json:
            origin = dict(predictions=args.pred_dir, ground_truth=args.gt_dir, mtl3d=__version__)
            Path(args.json).write_text(json.dumps({**asdict(result), **origin}, indent=1) + '\n')
    except (OSError, ValueError) as error:
        errors.print(f'error: {error}')
        return 1
    for what, ids in (
        ('not annotated, skipped', result.unlabelled),
        ('without any boundary in the ground truth', result.empty),
    ):
        if ids:
            errors.print(f'note: {len(ids)} images {what}, for example {ids[0]}')
    console = Console(highlight=False)
    console.print(describe(result), soft_wrap=True)
    console.print(scores_table(result))
    return 0


def _check_output(path: Path) -> None:
    """Find a place where nothing can be written before the work whose result goes there."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.is_dir() or not os.access(path.parent, os.W_OK):
        raise OSError(f'cannot write {path}')


if __name__ == '__main__':
    sys.exit(main())
