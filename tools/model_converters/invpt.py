"""Convert a published InvPT checkpoint (NYUv2 or PASCAL-Context, ViT-B or ViT-L) to mtl3d's naming.

    python tools/model_converters/invpt.py OFFICIAL_CKPT OUT
    python tools/model_converters/invpt.py --reverse OUR_CKPT OUT

Every tensor's old and new name is printed; an unknown or a missing one is an error.
"""

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from mtl3d.utils.compat import ensure_torchvision

ensure_torchvision()

from mtl3d.models.converters import convert_file
from mtl3d.models.converters.invpt import from_official, to_official


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('checkpoint', help='the published checkpoint (with --reverse: ours)')
    parser.add_argument('out', help='the file to write')
    parser.add_argument('--reverse', action='store_true', help='convert ours to the published one')
    args = parser.parse_args()
    convert = to_official if args.reverse else from_official
    try:
        print(convert_file(args.checkpoint, args.out, convert))
    except (FileNotFoundError, ValueError) as error:
        sys.exit(f'error: {error}')


if __name__ == '__main__':
    main()
