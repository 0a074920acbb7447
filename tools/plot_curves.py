"""Draw the losses and the metrics of a training run: ``plot_curves.py WORK_DIR [OUT.png]``."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from mtl3d.apis.command_line import input_path, output_file, run_tool


def main(argv: Sequence[str] | None = None) -> None:
    """Draw the curves and say where they are."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        'work_dir', type=input_path, help='work directory of a run, or a scalars.json'
    )
    parser.add_argument('out', type=output_file, nargs='?', help='default: WORK_DIR/curves.png')
    args = parser.parse_args(argv)

    # Torch takes seconds to import; a wrong path has been reported by now.
    from mtl3d.utils.image_io import write_png
    from mtl3d.visualization.curves import draw_curves, read_scalars

    folder = args.work_dir.parent if args.work_dir.is_file() else args.work_dir
    out = args.out or folder / 'curves.png'
    write_png(out, draw_curves(read_scalars(args.work_dir), title=folder.name))
    print(f'curves: {out}')


if __name__ == '__main__':
    sys.exit(run_tool(main))
