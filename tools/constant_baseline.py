#!/usr/bin/env python
"""Score the best constant prediction of every task: the floor that a trained model has to beat."""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from mtl3d.apis import command_line


def main(argv: Sequence[str] | None = None) -> None:
    """Fit the constants on the training split and score them on the test split."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('config', type=command_line.input_file, help='config file')
    parser.add_argument(
        '--out',
        type=command_line.output_file,
        metavar='JSON',
        help='write the results to this file',
    )
    command_line.add_common_arguments(parser)
    args = parser.parse_args(argv)

    # Torch takes seconds to import; a wrong path has been reported by now.
    from mmengine.registry import init_default_scope

    from mtl3d.apis.configuration import check_data_roots, load_config
    from mtl3d.evaluation.constant_predictor import score_constants
    from mtl3d.evaluation.report import collect_rows, draw_table, results_dict
    from mtl3d.registry import DATASETS, EVALUATOR

    cfg = load_config(args.config, args.cfg_options)
    check_data_roots(cfg, ['train_dataloader', 'test_dataloader'])
    init_default_scope('mtl3d')
    test = DATASETS.build(cfg.test_dataloader.dataset)
    # The training images as the test pipeline shows them: without augmentation.
    pipeline = cfg.test_dataloader.dataset.pipeline
    train = DATASETS.build({**cfg.train_dataloader.dataset, 'pipeline': pipeline})
    evaluator = EVALUATOR.build(cfg.test_evaluator)
    evaluator.dataset_meta = test.metainfo
    rows = collect_rows(evaluator.metrics, score_constants(train, test, evaluator))
    print(draw_table(rows, title='Best constant prediction'))
    if args.out:
        args.out.write_text(json.dumps(results_dict(rows), indent=2) + '\n')


if __name__ == '__main__':
    sys.exit(command_line.run_tool(main))
