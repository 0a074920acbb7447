"""Predict every task of your own images: ``infer.py CONFIG CHECKPOINT IMAGE_OR_FOLDER OUT_DIR``."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from mtl3d.apis import command_line


def main(argv: Sequence[str] | None = None) -> None:
    """Predict, write, and say where."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('config', type=command_line.input_file, help='config file of the model')
    parser.add_argument('checkpoint', type=command_line.input_file, help='its weights')
    parser.add_argument(
        'image', type=command_line.input_path, help='an image file, or a folder of them'
    )
    parser.add_argument(
        'out_dir',
        type=command_line.output_folder,
        help='panels/ and heads/<task>/ are written here',
    )
    parser.add_argument('--outputs', choices=command_line.OUTPUTS, help="default: the config's")
    parser.add_argument('--batch-size', type=int, default=1, help='images per forward pass')
    parser.add_argument('--device', help='default: the first GPU, or the CPU')
    parser.add_argument(
        '--storage', choices=('png', 'npy'), default='png', help='pictures, or float32 arrays'
    )
    command_line.add_common_arguments(parser)
    args = parser.parse_args(argv)

    # Torch takes seconds to import; a wrong path has been reported by now.
    from mtl3d.apis.multi_task_inferencer import MultiTaskInferencer

    inferencer = MultiTaskInferencer(
        args.config, args.checkpoint, device=args.device, cfg_options=args.cfg_options
    )
    samples = inferencer.stream(
        args.image,
        batch_size=args.batch_size,
        outputs=args.outputs,
        out_dir=args.out_dir,
        storage=args.storage,
    )
    count = sum(1 for _ in samples)
    print(f'{count} images: see {args.out_dir}/panels and {args.out_dir}/heads')


if __name__ == '__main__':
    sys.exit(command_line.run_tool(main))
