"""Make SynthRooms, a small embedded data set of furnished rooms with all labels.

The same seed gives the same bytes, whatever the number of workers. An interrupted run continues
where it stopped when the same command is given again.
"""

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from mtl3d.utils.compat import ensure_torchvision

ensure_torchvision()

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeRemainingColumn

from mtl3d.datasets.synthesis import SynthRoomsSpec, write_synth_rooms


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line."""
    default = SynthRoomsSpec()
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    add = parser.add_argument
    add('--out', type=Path, default=Path('data/synthrooms'), help='folder of the data set')
    add('--train-rooms', type=int, default=default.train_rooms, help='rooms for training')
    add('--val-rooms', type=int, default=default.val_rooms, help='other rooms for validation')
    add('--views', type=int, default=default.views, help='images per room')
    size = (default.height, default.width)
    add('--size', type=int, nargs=2, default=size, metavar=('HEIGHT', 'WIDTH'), help='of an image')
    add('--samples', type=int, default=default.samples, help='sub-pixels per side')
    add('--arc-degrees', type=float, default=default.arc_degrees, help='between two views')
    add('--seed', type=int, default=default.seed, help='another seed, other rooms')
    add('--workers', type=int, default=os.cpu_count() or 1, help='processes')
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> None:
    """Make the data set and say where it is."""
    args = parse_args(argv)
    spec = SynthRoomsSpec(
        train_rooms=args.train_rooms,
        val_rooms=args.val_rooms,
        views=args.views,
        height=args.size[0],
        width=args.size[1],
        samples=args.samples,
        arc_degrees=args.arc_degrees,
        seed=args.seed,
    )
    columns = ('SynthRooms', BarColumn(), MofNCompleteColumn(), 'rooms', TimeRemainingColumn())
    with Progress(*columns) as progress:
        task = progress.add_task('', total=spec.rooms)
        try:
            for _ in write_synth_rooms(args.out, spec, workers=args.workers):
                progress.advance(task)
        except KeyboardInterrupt:
            raise KeyboardInterrupt('The same command continues.') from None
    print(f'{spec.rooms} rooms, {spec.rooms * spec.views} images: {args.out}')


if __name__ == '__main__':
    # Here, because the worker processes import this file and need nothing of the models.
    from mtl3d.apis.command_line import run_tool

    sys.exit(run_tool(main))
