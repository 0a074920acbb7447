#!/usr/bin/env python
"""Train a model from a config file. See docs/training.md."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from mtl3d.apis import command_line


def main(argv: Sequence[str] | None = None) -> None:
    """Parse the arguments and train."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('config', type=command_line.input_file, help='config file')
    parser.add_argument(
        '--resume',
        nargs='?',
        type=command_line.input_file,
        const=True,
        default=False,
        metavar='CKPT',
        help='continue the run in the work dir, or from this checkpoint',
    )
    parser.add_argument(
        '--amp', nargs='?', const='bf16', choices=('bf16', 'fp16'), help='mixed precision (GPU)'
    )
    parser.add_argument('--no-validate', action='store_true', help='do not evaluate in between')
    parser.add_argument(
        '--auto-scale-lr', action='store_true', help='scale the learning rate with the batch size'
    )
    command_line.add_launch_arguments(parser)
    command_line.add_common_arguments(parser)
    args = parser.parse_args(argv)
    command_line.set_local_rank(args.local_rank)

    # Torch takes seconds to import; a wrong path has been reported by now.
    from mtl3d.apis.configuration import load_config, prepare, use_amp, use_auto_scale_lr
    from mtl3d.apis.train import train

    cfg = load_config(args.config, args.cfg_options)
    if args.amp:
        use_amp(cfg, args.amp)
    if args.auto_scale_lr:
        use_auto_scale_lr(cfg)
    prepare(cfg, work_dir=args.work_dir, launcher=args.launcher)
    train(cfg, resume=args.resume, validate=not args.no_validate)


if __name__ == '__main__':
    command_line.leave(command_line.run_tool(main))
