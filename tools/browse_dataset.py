"""Draw what a model is trained on, after augmentation: ``browse_dataset.py CONFIG --out-dir D``."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from mtl3d.apis.command_line import add_common_arguments, input_file, output_folder, run_tool


def main(argv: Sequence[str] | None = None) -> None:
    """Draw evenly spread images of a split with all their labels."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('config', type=input_file, help='config file')
    parser.add_argument('--out-dir', required=True, type=output_folder, help='panels go here')
    parser.add_argument('--split', choices=('train', 'val', 'test'), default='train')
    parser.add_argument('--number', type=int, default=20, help='how many images; 0: all')
    parser.add_argument('--seed', type=int, default=0, help='of the augmentation')
    add_common_arguments(parser)
    args = parser.parse_args(argv)

    # Torch takes seconds to import; a wrong path has been reported by now.
    from mmengine.registry import init_default_scope
    from mmengine.runner import set_random_seed
    from rich.progress import track

    from mtl3d.apis.configuration import check_data_roots, load_config
    from mtl3d.registry import DATASETS
    from mtl3d.visualization.browse import draw_item, spread_indices

    cfg = load_config(args.config, args.cfg_options)
    loader = f'{args.split}_dataloader'
    if not cfg.get(loader):
        raise ValueError(f'{args.config} has no {loader}')
    check_data_roots(cfg, [loader])
    init_default_scope('mtl3d')
    dataset = DATASETS.build(cfg[loader].dataset)
    set_random_seed(args.seed)
    indices = spread_indices(len(dataset), args.number or len(dataset))
    for index in track(indices, 'drawing'):
        draw_item(dataset, index, args.out_dir)
    print(f'{len(indices)} of {len(dataset)} images: {args.out_dir}')


if __name__ == '__main__':
    sys.exit(run_tool(main))
