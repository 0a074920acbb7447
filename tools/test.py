#!/usr/bin/env python
"""Evaluate a checkpoint. See docs/training.md."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from mtl3d.apis import command_line


def main(argv: Sequence[str] | None = None) -> None:
    """Parse the arguments and evaluate."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('config', type=command_line.input_file, help='config file')
    parser.add_argument('checkpoint', type=command_line.input_file, help='checkpoint file')
    parser.add_argument(
        '--outputs',
        choices=command_line.OUTPUTS,
        default='heads',
        help="evaluate the decoder's heads, the regularizer's rendering, their average, or all",
    )
    parser.add_argument(
        '--out',
        type=command_line.output_file,
        metavar='JSON',
        help='write results and provenance to this file',
    )
    parser.add_argument(
        '--bootstrap',
        type=int,
        default=0,
        metavar='N',
        help='95 %% confidence intervals from N replicates over images, for example 1000',
    )
    folder = dict(type=command_line.output_folder, metavar='DIR')
    parser.add_argument('--show-dir', **folder, help='draw the predictions into this folder')
    parser.add_argument('--out-dir', **folder, help='write the predictions into this folder')
    command_line.add_launch_arguments(parser)
    command_line.add_common_arguments(parser)
    args = parser.parse_args(argv)
    command_line.set_local_rank(args.local_rank)

    # Torch takes seconds to import; a wrong path has been reported by now.
    from mtl3d.apis.configuration import load_config, prepare
    from mtl3d.apis.test import save_predictions, show_predictions, test, write_report

    cfg = load_config(args.config, args.cfg_options)
    prepare(cfg, work_dir=args.work_dir, launcher=args.launcher)
    if args.show_dir:
        show_predictions(cfg, args.show_dir)
    if args.out_dir:
        save_predictions(cfg, args.out_dir)
    rows = test(cfg, args.checkpoint, outputs=args.outputs, bootstrap=args.bootstrap)
    if args.out:
        write_report(args.out, cfg=cfg, checkpoint=args.checkpoint, outputs=args.outputs, rows=rows)


if __name__ == '__main__':
    command_line.leave(command_line.run_tool(main))
