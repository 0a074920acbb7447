"""Draw the losses and the metrics of a training run: ``plot_curves.py WORK_DIR [OUT.png]``."""

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from mtl3d.utils.image_io import write_png
from mtl3d.visualization.curves import draw_curves, read_scalars


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('work_dir', type=Path, help='work directory of a run, or a scalars.json')
    parser.add_argument('out', type=Path, nargs='?', help='default: WORK_DIR/curves.png')
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> None:
    """Draw the curves and say where they are."""
    args = parse_args(argv)
    folder = args.work_dir.parent if args.work_dir.is_file() else args.work_dir
    out = args.out or folder / 'curves.png'
    try:
        write_png(out, draw_curves(read_scalars(args.work_dir), title=args.work_dir.name))
    except (OSError, ValueError, ImportError) as error:
        sys.exit(f'plot_curves: {error}')
    print(f'curves: {out}')


if __name__ == '__main__':
    main()
